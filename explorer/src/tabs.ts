/** The storage of GraphiQL and the changes of its tabs. */

const PREFIX = "graphiql:";

/** Lasts as long as the window: queries, variables and history may hold passwords and tokens. */
export const editorStorage = {
  getItem: (key: string): string | null => sessionStorage.getItem(key),
  setItem: (key: string, value: string): void => sessionStorage.setItem(key, value),
  removeItem: (key: string): void => sessionStorage.removeItem(key),
  clear: (): void => own().forEach((key) => sessionStorage.removeItem(key)),
  get length(): number {
    return own().length;
  },
};

/** Returns whether this window has stored tabs. */
export function isKept(): boolean {
  return sessionStorage.getItem(`${PREFIX}tabState`) !== null;
}

function own(): string[] {
  return Object.keys(sessionStorage).filter((key) => key.startsWith(PREFIX));
}

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
