/** A clock, the storage of windows and a channel between them, controlled by the test. */

import type { Answer } from "../src/api.ts";
import { type Exchange, Session } from "../src/session.ts";
import type { SignedIn } from "../src/sign-in.ts";

export const SERVER_AHEAD = 7 * 3_600_000;
export const LIFE = 900_000;

export class World {
  time = 1_000_000;
  readonly #due: { at: number; run: () => void }[] = [];
  readonly #channels: { onmessage: ((event: MessageEvent) => void) | null }[] = [];

  readonly now = (): number => this.time;

  readonly later = (run: () => void, milliseconds: number): (() => void) => {
    const entry = { at: this.time + milliseconds, run };
    this.#due.push(entry);
    return () => {
      const index = this.#due.indexOf(entry);
      if (index >= 0) this.#due.splice(index, 1);
    };
  };

  /** Advances the clock, runs due timers, and lets promises settle. */
  async pass(milliseconds: number): Promise<void> {
    this.time += milliseconds;
    for (;;) {
      const next = this.#due.findIndex(({ at }) => at <= this.time);
      if (next < 0) break;
      this.#due.splice(next, 1)[0]?.run();
      await settle();
    }
    await settle();
  }

  window(exchange: Exchange, storage = new Kept()): Session {
    const channel = {
      onmessage: null as ((event: MessageEvent) => void) | null,
      postMessage: (data: unknown): void => {
        for (const other of this.#channels) {
          if (other !== channel) other.onmessage?.({ data } as MessageEvent);
        }
      },
    };
    this.#channels.push(channel);
    return new Session({ exchange, storage, channel, now: this.now, later: this.later });
  }

  /** Returns tokens as the server issues them now, by a different clock. */
  tokens(name: string, more: Partial<SignedIn> = {}): [SignedIn, number] {
    const serverTime = this.time + SERVER_AHEAD;
    const who = {
      accessToken: `access-${name}`,
      expiresAt: new Date(serverTime + LIFE).toISOString(),
      refreshToken: `refresh-${name}`,
      username: "ada",
      ...more,
    };
    return [who, serverTime];
  }

  /** Returns an exchange that issues numbered tokens and records its calls. */
  counting(): Exchange & { calls: string[] } {
    const calls: string[] = [];
    const exchange: Exchange = async (refreshToken) => {
      calls.push(refreshToken);
      const [who, serverTime] = this.tokens(`${calls.length + 1}`);
      return { who, serverTime };
    };
    return Object.assign(exchange, { calls });
  }
}

export class Kept {
  readonly #items = new Map<string, string>();
  getItem = (key: string): string | null => this.#items.get(key) ?? null;
  setItem = (key: string, value: string): void => void this.#items.set(key, value);
  removeItem = (key: string): void => void this.#items.delete(key);
}

export async function settle(): Promise<void> {
  for (let turn = 0; turn < 30; turn += 1) await Promise.resolve();
}

export function answer(status: number, body: Answer["body"], serverTime = 0): Answer {
  return { status, body, serverTime };
}

/** Returns the names of the subgraphs of a supergraph. */
export function subgraphs(supergraph: string): string[] {
  return [...supergraph.matchAll(/@join__graph\(name: "(\w+)"/g)].map(([, name]) => name ?? "");
}
