/** The notice of each tab of the editor: it explains the response that the tab shows. */

import type { Notice } from "./explain.ts";
import { Store } from "./store.ts";

export class Notices {
  readonly state = new Store<ReadonlyMap<string, Notice>>(new Map());

  /** Sets the notice of a tab, or removes it. */
  set(tab: string, notice: Notice | null): void {
    const next = new Map(this.state.get());
    if (notice) next.set(tab, notice);
    else if (!next.delete(tab)) return;
    this.state.set(next);
  }

  /** Removes the notices about an outage, which has ended. */
  recovered(): void {
    const others = [...this.state.get()].filter(([, { offer }]) => offer !== "health");
    if (others.length < this.state.get().size) this.state.set(new Map(others));
  }
}
