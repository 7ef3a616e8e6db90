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

/** Tells stopping a subscription from leaving its tab: GraphiQL unsubscribes in both cases. */
export class TabWatch {
  #active: number | null = null;
  #tabs = 0;
  #changing = false;

  /** GraphiQL unsubscribes first and reports the change of tabs in the same task. */
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
