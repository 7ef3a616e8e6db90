/** The live feed: one subscription of the page, resumed whenever its connection is lost. */

import type { ExecutionResult } from "graphql";

import { type ApiError, type Request, UnreachableError } from "./api.ts";
import { inOneLine } from "./explain.ts";
import type { FeedMemory } from "./kept-feed.ts";
import { type Operation, readOperation } from "./operation.ts";
import { Resumable } from "./resume.ts";
import type { Session } from "./session.ts";
import { Store } from "./store.ts";

export interface FeedEvent {
  number: number;
  arrivedAt: number;
  data: unknown;
}

export interface FeedState {
  is: "off" | "connecting" | "live" | "reconnecting" | "ended";
  /** The reason for the state, shown to users. */
  why: string | null;
  count: number;
  /** The newest first, at most KEPT. */
  events: readonly FeedEvent[];
  operation: Operation | null;
}

/** How a socket ended: closed by the server or the network, refused with errors, or completed. */
export type End =
  | { is: "closed"; code: number; reason: string }
  | { is: "refused"; errors: readonly ApiError[] }
  | { is: "completed" };

export interface Socket {
  /** Resolves when the subscription has ended. */
  over: Promise<End>;
  close: () => void;
}

/** Opens a socket and subscribes. */
export type Connect = (
  token: string,
  request: Request,
  on: { ready: () => void; event: (result: ExecutionResult) => void },
) => Socket;

export interface Observer {
  next: (result: ExecutionResult) => unknown;
  complete: () => unknown;
}

export interface FeedSurroundings {
  connect: Connect;
  now: () => number;
  sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  memory: FeedMemory;
  /** Returns a number from 0 to 1, to spread the reconnections of many pages. */
  chance: () => number;
}

export const KEPT = 200;
const LONGEST_WAIT = 15_000;
const OFF: FeedState = { is: "off", why: null, count: 0, events: [], operation: null };

/** Close codes of graphql-transport-ws and of our server. */
const UNAUTHORIZED = 4401;
const EXPIRED = 4403;
/** The server refuses this subscription; a retry would be refused too. */
const FINAL = new Set([4400, 4404, 4406, 4409, 4429]);

export class Feed {
  readonly state = new Store<FeedState>(OFF);
  #running: AbortController | null = null;

  constructor(
    private readonly session: Session,
    private readonly around: FeedSurroundings,
  ) {
    let owner = session.tokens?.username ?? null;
    session.state.subscribe(() => {
      const state = session.state.get();
      const username = session.tokens?.username ?? null;
      if (state.is === "signed-out") this.stop(state.why ?? "You have signed out.");
      else if (owner !== null && owner !== username) this.stop(`You are now signed in as ${username}.`);
      owner = username;
    });
  }

  /** Starts a subscription and ends the previous one. `cursor` is that of the event before. */
  start(
    operation: Operation,
    request: Request,
    observer: Observer,
    cursor: string | null = null,
  ): void {
    this.stop("Another subscription was started.");
    const running = new AbortController();
    this.#running = running;
    this.state.set({ ...OFF, is: "connecting", operation });
    const feed = new Resumable(operation, request, cursor);
    this.#keep(feed);
    void this.#run(running, feed, observer).then((why) => {
      if (this.#running === running) this.#end(why);
      observer.complete();
    });
  }

  /** Starts the feed again that ran before the page was reloaded, for the same user. */
  resume(observer: Observer): void {
    if (this.#running) return;
    const kept = this.around.memory.get();
    const username = this.session.tokens?.username ?? null;
    if (!kept || username === null || kept.username !== username) return;
    const { request, cursor } = kept;
    const operation = readOperation(request.query, request.operationName);
    if (operation) this.start(operation, request, observer, cursor);
  }

  stop(why: string): void {
    if (this.#running) this.#end(why);
  }

  #end(why: string): void {
    this.#running?.abort();
    this.#running = null;
    this.around.memory.set(null);
    this.#change({ is: "ended", why });
  }

  /** Runs the subscription until its end. Returns the reason. */
  async #run({ signal }: AbortController, feed: Resumable, observer: Observer): Promise<string> {
    const { query } = feed.request;
    let failures = 0;
    let refused: string | null = null;
    let failure: string | null = null;
    for (;;) {
      let end: End;
      try {
        const token = await this.session.token();
        if (token === null) return "You are not signed in. Sign in, then run it again.";
        let ready = false;
        end = await this.#connectOnce(signal, token, {
          request: feed.next(),
          ready: () => {
            ready = true;
            refused = null;
          },
          event: (result) => {
            const event = feed.take(result);
            if (!event) return;
            this.#keep(feed);
            if (event.data) this.#add(event.data);
            else if (event.errors) failure = inOneLine(event.errors as readonly ApiError[], query);
            observer.next(event);
          },
        });
        if (ready) failures = 0;
        if (signal.aborted) return "Stopped.";
        if (end.is === "completed") return failure ?? "The server ended the subscription.";
        if (end.is === "refused") return inOneLine(end.errors, query);
        if (end.code === UNAUTHORIZED) {
          const why = `${end.reason || "The session has ended."} You are signed out.`;
          this.session.close(why);
          return why;
        }
        if (end.code === EXPIRED) {
          if (refused !== null) return `The token was refused: ${end.reason || "sign in again"}.`;
          refused = token;
          this.#change({ is: "reconnecting", why: "The token has expired. Renewing it." });
          await this.session.renew(token);
          continue;
        }
        if (FINAL.has(end.code)) return `The server refused the subscription: ${end.reason || end.code}.`;
      } catch (error) {
        if (!(error instanceof UnreachableError)) throw error;
      }
      if (signal.aborted) return "Stopped.";
      const wait = Math.min(500 * 2 ** failures, LONGEST_WAIT) * (0.5 + this.around.chance() / 2);
      failures += 1;
      this.#change({
        is: "reconnecting",
        why: feed.canResume
          ? "The connection was lost. The feed resumes without a gap."
          : "The connection was lost before the first event. The feed starts again.",
      });
      await this.around.sleep(wait, signal);
      if (signal.aborted) return "Stopped.";
    }
  }

  async #connectOnce(
    signal: AbortSignal,
    token: string,
    on: { request: Request; ready: () => void; event: (result: ExecutionResult) => void },
  ): Promise<End> {
    if (signal.aborted) return { is: "completed" };
    const socket = this.around.connect(token, on.request, {
      ready: () => {
        if (signal.aborted) return;
        on.ready();
        this.#change({ is: "live", why: null });
      },
      event: (result) => {
        if (!signal.aborted) on.event(result);
      },
    });
    signal.addEventListener("abort", socket.close, { once: true });
    try {
      return await socket.over;
    } finally {
      signal.removeEventListener("abort", socket.close);
    }
  }

  #keep({ request, cursor }: Resumable): void {
    this.around.memory.set({ username: this.session.tokens?.username ?? null, request, cursor });
  }

  #add(data: unknown): void {
    const { count, events } = this.state.get();
    const event = { number: count + 1, arrivedAt: this.around.now(), data };
    this.#change({ count: event.number, events: [event, ...events].slice(0, KEPT) });
  }

  #change(part: Partial<FeedState>): void {
    this.state.set({ ...this.state.get(), ...part });
  }
}
