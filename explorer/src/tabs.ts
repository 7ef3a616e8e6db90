/** What GraphiQL keeps, and what it says of its tabs. */

const PREFIX = "graphiql:";

/** Ends with the window: queries, variables and history may hold passwords and tokens. */
export const editorStorage = {
  getItem: (key: string): string | null => sessionStorage.getItem(key),
  setItem: (key: string, value: string): void => sessionStorage.setItem(key, value),
  removeItem: (key: string): void => sessionStorage.removeItem(key),
  clear: (): void => own().forEach((key) => sessionStorage.removeItem(key)),
  get length(): number {
    return own().length;
  },
};

/** Whether this window has shown the tabs before. */
export function isKept(): boolean {
  return sessionStorage.getItem(`${PREFIX}tabState`) !== null;
}

function own(): string[] {
  return Object.keys(sessionStorage).filter((key) => key.startsWith(PREFIX));
}

/** Tells a subscription that is stopped from one that is left in its tab: GraphiQL stops both. */
export class TabWatch {
  #active: number | null = null;
  #tabs = 0;
  #changing = false;

  /** GraphiQL stops first and tells of the tab in the same breath. */
  readonly changed = (state: { activeTabIndex: number; tabs: readonly unknown[] }): void => {
    const isOther = state.activeTabIndex !== this.#active;
    this.#changing = isOther && state.tabs.length >= this.#tabs;
    this.#active = state.activeTabIndex;
    this.#tabs = state.tabs.length;
  };

  unlessChanging(stop: () => void): void {
    this.#changing = false;
    queueMicrotask(() => {
      if (!this.#changing) stop();
      this.#changing = false;
    });
  }
}
