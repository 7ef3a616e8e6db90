/** The session of this window: stores its tokens, renews them in time, and removes them. */

import type { Answer } from "./api.ts";
import type { SignedIn } from "./sign-in.ts";
import { Store } from "./store.ts";

export interface Tokens {
  accessToken: string;
  refreshToken: string | null;
  username: string | null;
  /** By the clock of this machine, in milliseconds; null if it is not known. */
  expiresAt: number | null;
  /** When to renew it, by the same clock. */
  renewAt: number | null;
}

export type State =
  | { is: "signed-in"; tokens: Tokens }
  /** `why` is null before the first sign-in. */
  | { is: "signed-out"; why: string | null };

/** Exchanges a refresh token. Returns null if it is refused; rejects without a response. */
export type Exchange = (
  refreshToken: string,
) => Promise<{ who: SignedIn; serverTime: number } | null>;

/** Messages between windows: a duplicated window has the same tokens. */
type News = { replaces: string; tokens: Tokens } | { ended: string; why: string };

export interface Surroundings {
  exchange: Exchange;
  storage: Pick<Storage, "getItem" | "setItem" | "removeItem">;
  channel: Pick<BroadcastChannel, "postMessage" | "onmessage">;
  now: () => number;
  /** Runs a function later; returns a function that cancels it. */
  later: (run: () => void, milliseconds: number) => () => void;
}

const KEY = "chirp.session";
/** A token is renewed this long before its end, or at four fifths of a short life. */
const MARGIN = 60_000;
const RETRY = 5_000;

export class Session {
  readonly state: Store<State>;
  #renewal: Promise<void> | null = null;
  #unschedule: () => void = () => {};

  constructor(private readonly around: Surroundings) {
    this.state = new Store<State>(this.#restore());
    around.channel.onmessage = ({ data }: MessageEvent<News>) => this.#hear(data);
    this.#schedule();
  }

  get tokens(): Tokens | null {
    const state = this.state.get();
    return state.is === "signed-in" ? state.tokens : null;
  }

  /** Stores new tokens. `serverTime` is the time of the response by the clock of `expiresAt`. */
  open(who: SignedIn, serverTime: number): void {
    const { now } = this.around;
    const end = who.expiresAt === null ? Number.NaN : Date.parse(who.expiresAt);
    const life = Number.isNaN(end) ? null : Math.max(0, end - serverTime);
    this.#keep({
      accessToken: who.accessToken,
      refreshToken: who.refreshToken,
      username: who.username,
      expiresAt: life === null ? null : now() + life,
      renewAt: life === null ? null : now() + Math.max(life - MARGIN, life * 0.8),
    });
  }

  /** Stores the tokens that replace `accessToken`, if that is still the one of the session. */
  replace(who: SignedIn, serverTime: number, accessToken: string): void {
    const { tokens } = this;
    if (tokens?.accessToken !== accessToken) return;
    this.open({ ...who, username: who.username ?? tokens.username }, serverTime);
    if (!this.tokens) return;
    this.around.channel.postMessage({
      replaces: keyOf(tokens),
      tokens: this.tokens,
    } satisfies News);
  }

  /** Removes the session from this window, if `accessToken` is undefined or still its token. */
  close(why: string, accessToken?: string): void {
    const { tokens } = this;
    if (!tokens || (accessToken !== undefined && tokens.accessToken !== accessToken)) return;
    this.#forget(why);
    this.around.channel.postMessage({ ended: keyOf(tokens), why } satisfies News);
  }

  name(username: string, accessToken: string): void {
    const { tokens } = this;
    if (tokens?.accessToken === accessToken) this.#keep({ ...tokens, username });
  }

  /** Returns a valid token, or null if signed out. Rejects if the token cannot be renewed now. */
  async token(): Promise<string | null> {
    const { tokens } = this;
    if (tokens?.expiresAt && tokens.expiresAt <= this.around.now()) await this.renew();
    else if (tokens?.renewAt && tokens.renewAt <= this.around.now()) await this.#renewEarly();
    return this.tokens?.accessToken ?? null;
  }

  /**
   * Replaces the token `instead`, by default the current one, unless it was replaced already.
   * Rejects without a response; signs out if the refresh token is refused.
   */
  async renew(instead = this.tokens?.accessToken): Promise<void> {
    if (this.tokens?.accessToken !== instead) return;
    this.#renewal ??= this.#exchange().finally(() => {
      this.#renewal = null;
    });
    await this.#renewal;
  }

  async #renewEarly(): Promise<void> {
    try {
      await this.renew();
    } catch {
      // The current token is still valid.
      this.#unschedule();
      this.#unschedule = this.around.later(() => void this.#renewEarly(), RETRY);
    }
  }

  async #exchange(): Promise<void> {
    const { tokens } = this;
    if (!tokens) return;
    if (!tokens.refreshToken) {
      if (tokens.expiresAt && tokens.expiresAt > this.around.now()) return;
      this.close("The access token has expired, and there was no refresh token. Sign in again.");
      return;
    }
    const renewed = await this.around.exchange(tokens.refreshToken);
    // Unless the user has signed out or in meanwhile.
    if (renewed) this.replace(renewed.who, renewed.serverTime, tokens.accessToken);
    else this.close("The session has ended. Sign in again.", tokens.accessToken);
  }

  #hear(news: News): void {
    const { tokens } = this;
    if (!tokens) return;
    if ("ended" in news) {
      if (news.ended === keyOf(tokens)) this.#forget(news.why);
    } else if (news.replaces === keyOf(tokens)) {
      this.#keep(news.tokens);
    }
  }

  #keep(tokens: Tokens): void {
    this.around.storage.setItem(KEY, JSON.stringify(tokens));
    this.state.set({ is: "signed-in", tokens });
    this.#schedule();
  }

  #forget(why: string): void {
    this.#unschedule();
    this.around.storage.removeItem(KEY);
    this.state.set({ is: "signed-out", why });
  }

  #restore(): State {
    const kept = this.around.storage.getItem(KEY);
    return kept
      ? { is: "signed-in", tokens: JSON.parse(kept) as Tokens }
      : { is: "signed-out", why: null };
  }

  #schedule(): void {
    this.#unschedule();
    const { tokens } = this;
    if (!tokens) return;
    const at = tokens.refreshToken ? tokens.renewAt : tokens.expiresAt;
    if (at === null) return;
    const wait = Math.max(0, at - this.around.now());
    this.#unschedule = this.around.later(() => void this.#renewEarly(), wait);
  }
}

/** Returns the key of the session among windows, which may have different access tokens. */
function keyOf(tokens: Tokens): string {
  return tokens.refreshToken ?? tokens.accessToken;
}

/** Returns whether a token was refused and cannot be renewed. */
export function isEnded({ status, body }: Answer): boolean {
  return status === 401 && reasonOf(body.errors) !== "EXPIRED";
}

export function isExpired({ status, body }: Answer): boolean {
  return status === 401 && reasonOf(body.errors) === "EXPIRED";
}

function reasonOf(errors: Answer["body"]["errors"]): unknown {
  return errors?.[0]?.extensions?.["reason"];
}
