/** What GraphiQL stores: its tabs for the window, its history for the browser. */

import { EditorHistory, PREFIX } from "./history.ts";

const history = new EditorHistory(localStorage);

/**
 * Lasts as long as the window, because tabs may hold passwords and tokens. The history, which holds
 * none, outlives it.
 */
export const editorStorage = {
  getItem: (key: string): string | null =>
    history.has(key) ? history.getItem(key) : sessionStorage.getItem(key),
  setItem: (key: string, value: string): void =>
    history.has(key) ? history.setItem(key, value) : sessionStorage.setItem(key, value),
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
