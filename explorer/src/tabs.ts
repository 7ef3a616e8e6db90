/** The changes of the tabs of GraphiQL. */

interface State {
  activeTabIndex: number;
  tabs: readonly { id: string; response: string | null }[];
}

/** Follows which tab is active, and what it shows. */
export class TabWatch {
  #active = "";
  #response: string | null = null;
  #tabs = 0;
  #changing = false;

  /** `onResponse` gets each new response of the active tab; a run begins with an empty one. */
  constructor(private readonly onResponse: (tab: string, response: string) => void) {}

  /** The id of the active tab. */
  get active(): string {
    return this.#active;
  }

  /** Sets the tab that is active at first. */
  start(tab: string): void {
    this.#active ||= tab;
  }

  /** GraphiQL unsubscribes first and reports the change of tabs in the same task. */
  readonly changed = (state: State): void => {
    const active = state.tabs[state.activeTabIndex];
    if (!active) return;
    const isOther = active.id !== this.#active && this.#active !== "";
    this.#changing = isOther && state.tabs.length >= this.#tabs;
    if (!isOther && active.response !== this.#response) {
      this.onResponse(active.id, active.response ?? "");
    }
    this.#active = active.id;
    this.#response = active.response;
    this.#tabs = state.tabs.length;
  };

  /** Tells stopping a subscription from leaving its tab: GraphiQL unsubscribes in both cases. */
  unlessChanging(stop: () => void): void {
    this.#changing = false;
    queueMicrotask(() => {
      if (!this.#changing) stop();
      this.#changing = false;
    });
  }
}
