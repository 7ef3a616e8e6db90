/** The tweet that this browser has seen last, in any of its windows: one that can be retweeted. */

import { isRecord } from "./api.ts";
import { type Operation, Selected } from "./operation.ts";

const KEY = "chirp.seen-tweet";

export interface SeenTweet {
  get: () => string | null;
  set: (id: string) => void;
}

/** `storage` is that of all windows: an id alone opens nothing. */
export function seenTweet(storage: Pick<Storage, "getItem" | "setItem">): SeenTweet {
  return { get: () => storage.getItem(KEY), set: (id) => storage.setItem(KEY, id) };
}

/** Returns the id of the newest tweet in a response; null if it has none. */
export function tweetIn(operation: Operation, data: unknown): string | null {
  const answer = Selected.of(operation, data);
  const single =
    answer.child("createTweet") ?? answer.child("tweet") ?? answer.child("tweetFeed")?.child("tweet");
  const edges = answer.child("myTweets")?.items("edges") ?? [];
  return (single ?? edges[0]?.child("node"))?.text("id") ?? null;
}

/** Returns variables with `id` in place of an empty `tweetId` or of `offered`; null to keep them. */
export function withTweet(variables: string, id: string, offered: string | null): string | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(variables);
  } catch {
    return null;
  }
  if (!isRecord(parsed) || (parsed["tweetId"] !== "" && parsed["tweetId"] !== offered)) return null;
  return JSON.stringify({ ...parsed, tweetId: id }, null, 2);
}
