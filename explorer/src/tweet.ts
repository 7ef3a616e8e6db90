/** One tweet: its page `/tweets/<id>`, where mails lead, and the retweet of the reader. */

import type { Session } from "./session.ts";
import { type Ask, messageOf, RefusedError } from "./signed.ts";
import { Store } from "./store.ts";

const PATH = /^\/tweets\/([0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12})$/i;

/** Returns the id of the tweet whose page has this path; null for any other path. */
export function tweetIdIn(path: string): string | null {
  return PATH.exec(path)?.[1] ?? null;
}

const POST = "id text createdAt retweetCount viewerHasRetweeted author { username }";

export const TWEET = `query ReadTweet($id: ID!) {
  tweet(id: $id) { ${POST} retweetOf { ${POST} } }
}`;
export const RETWEET = `mutation Retweet($tweetId: ID!) {
  retweet(tweetId: $tweetId) { __typename ... on Error { message } }
}`;
export const UNDO_RETWEET = `mutation UndoRetweet($tweetId: ID!) {
  undoRetweet(tweetId: $tweetId) { __typename ... on Error { message } }
}`;

export interface Post {
  id: string;
  text: string;
  createdAt: string;
  retweetCount: number;
  viewerHasRetweeted: boolean;
  author: { username: string };
}

export interface Tweet extends Post {
  /** The original if this is a retweet. */
  retweetOf: Post | null;
}

export type TweetState =
  | { is: "loading" | "signed-out" | "missing" }
  | { is: "failed"; why: string }
  /** `news` is the result of the reader's last action. */
  | { is: "read"; tweet: Tweet; news: string | null };

/** Reads a tweet for the signed-in user, and again for the next one. */
export class TweetReader {
  readonly state = new Store<TweetState>({ is: "loading" });
  #reader: string | null | undefined;
  #turn = 0;

  constructor(
    private readonly ask: Ask,
    private readonly session: Session,
    private readonly id: string,
  ) {}

  /** Follows the session until the returned function is called. */
  follow(): () => void {
    const look = (): void => {
      const username = this.session.tokens?.username ?? null;
      if (username === this.#reader) return;
      this.#reader = username;
      void this.read();
    };
    const unsubscribe = this.session.state.subscribe(look);
    look();
    return () => {
      this.#reader = undefined;
      unsubscribe();
    };
  }

  async read(news: string | null = null): Promise<void> {
    this.#turn += 1;
    const turn = this.#turn;
    if (news === null) this.state.set({ is: "loading" });
    const found = await this.#find(news);
    // Unless it is read again meanwhile, perhaps by another user.
    if (turn === this.#turn) this.state.set(found);
  }

  /** Retweets the tweet or undoes it, and reads the tweet again. */
  async retweet(undo: boolean): Promise<void> {
    const [query, field] = undo ? [UNDO_RETWEET, "undoRetweet"] : [RETWEET, "retweet"];
    try {
      const data = await this.ask(query, { tweetId: this.id });
      const { message } = data[field] as { message?: string };
      await this.read(message ?? (undo ? "You have undone your retweet." : "You have retweeted it."));
    } catch (error) {
      const state = this.state.get();
      const failed = failureOf(error);
      const isShown = state.is === "read" && failed.is === "failed";
      this.state.set(isShown ? { ...state, news: failed.why } : failed);
    }
  }

  async #find(news: string | null): Promise<TweetState> {
    if (!this.session.tokens) return { is: "signed-out" };
    try {
      const tweet = (await this.ask(TWEET, { id: this.id }))["tweet"] as Tweet | null;
      return tweet ? { is: "read", tweet, news } : { is: "missing" };
    } catch (error) {
      return failureOf(error);
    }
  }
}

/** Returns the state after an error that users may read about. Throws any other. */
function failureOf(error: unknown): TweetState {
  if (error instanceof RefusedError && error.code === "UNAUTHENTICATED") return { is: "signed-out" };
  return { is: "failed", why: messageOf(error) };
}
