/** Looks after an API that has failed, until it answers again. */

import { Store } from "./store.ts";

export type Health = "well" | "away" | "back";

export class HealthWatch {
  readonly state = new Store<Health>("well");
  #looking = false;

  constructor(
    private readonly isWell: () => Promise<boolean>,
    private readonly sleep: (milliseconds: number) => Promise<void>,
  ) {}

  /** Called whenever something was not answered. */
  async look(): Promise<void> {
    this.state.set("away");
    if (this.#looking) return;
    this.#looking = true;
    do await this.sleep(2_000);
    while (!(await this.isWell()));
    this.#looking = false;
    this.state.set("back");
  }

  /** Whoever looks at the page has seen that it is back. */
  seen(): void {
    if (!this.#looking) this.state.set("well");
  }
}

export async function askHealthz(): Promise<boolean> {
  try {
    const answer = await fetch("/healthz", { cache: "no-store", credentials: "omit" });
    return answer.ok;
  } catch {
    return false;
  }
}
