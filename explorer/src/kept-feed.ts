/** Keeps the running feed for a reload of the page, which resumes it after its last event. */

import type { Request } from "./api.ts";

export interface Kept {
  username: string | null;
  request: Request;
  /** Null before the first event. */
  cursor: string | null;
}

export interface FeedMemory {
  get: () => Kept | null;
  set: (kept: Kept | null) => void;
}

const KEY = "chirp.feed";

/** Lasts as long as the window, like the session. */
export function feedMemory(storage: Pick<Storage, "getItem" | "setItem" | "removeItem">): FeedMemory {
  return {
    get: () => JSON.parse(storage.getItem(KEY) ?? "null") as Kept | null,
    set: (kept) =>
      kept ? storage.setItem(KEY, JSON.stringify(kept)) : storage.removeItem(KEY),
  };
}
