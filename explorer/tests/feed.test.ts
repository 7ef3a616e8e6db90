import type { ExecutionResult } from "graphql";
import { expect, test } from "vitest";

import type { Request } from "../src/api.ts";
import { type Connect, type End, Feed, KEPT } from "../src/feed.ts";
import { readOperation } from "../src/operation.ts";
import { feedMemory } from "../src/kept-feed.ts";
import { Kept, settle, World } from "./world.ts";

const QUERY = "subscription { tweetFeed { kind } }";

class Server {
  readonly sockets: {
    token: string;
    request: Request;
    isOpen: boolean;
    ready: () => void;
    send: (cursor: string) => void;
    raw: (result: ExecutionResult) => void;
    end: (end: End) => void;
  }[] = [];

  readonly connect: Connect = (token, request, on) => {
    let finish = (_: End): void => {};
    const over = new Promise<End>((resolve) => {
      finish = resolve;
    });
    const socket = {
      token,
      request,
      isOpen: true,
      ready: on.ready,
      send: (cursor: string) =>
        on.event({ data: { tweetFeed: { kind: "TWEETED", resumeCursor: cursor } } }),
      raw: on.event,
      end: (end: End) => {
        socket.isOpen = false;
        finish(end);
      },
    };
    this.sockets.push(socket);
    return { over, close: () => socket.end({ is: "completed" }) };
  };

  get last() {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error("nobody has connected");
    return socket;
  }
}

const closed = (code: number): End => ({ is: "closed", code, reason: "" });

async function watching(storage = new Kept()) {
  const world = new World();
  const server = new Server();
  const exchange = world.counting();
  const session = world.window(exchange);
  session.open(...world.tokens("1"));
  const waits: number[] = [];
  const feed = new Feed(session, {
    connect: server.connect,
    now: world.now,
    sleep: (milliseconds) => Promise.resolve(void waits.push(milliseconds)),
    memory: feedMemory(storage),
    chance: () => 1,
  });
  const operation = readOperation(QUERY);
  if (!operation) throw new Error("no operation");
  const shown: ExecutionResult[] = [];
  let completed = 0;
  const observer = {
    next: (result: ExecutionResult) => void shown.push(result),
    complete: () => void (completed += 1),
  };
  const start = () => feed.start(operation, { query: QUERY }, observer);
  if (storage.getItem("chirp.feed") === null) start();
  await settle();
  return { observer, world, server, session, exchange, feed, waits, shown, start, completed: () => completed };
}

test("events are shown newest first and counted", async () => {
  const { server, feed, shown } = await watching();
  expect(feed.state.get().is).toBe("connecting");
  server.last.ready();
  expect(feed.state.get().is).toBe("live");
  for (let n = 1; n <= KEPT + 1; n += 1) server.last.send(`${n}`);
  const { count, events } = feed.state.get();
  expect([count, events.length, events[0]?.number]).toEqual([KEPT + 1, KEPT, KEPT + 1]);
  expect(shown[0]).toEqual({ data: { tweetFeed: { kind: "TWEETED" } } });
});

test.each([1006, 1012, 1013, 4408, 4499])(
  "after close code %i the feed resumes without a repetition",
  async (code) => {
    const { server, feed } = await watching();
    server.last.ready();
    server.last.send("1");
    server.last.end(closed(code));
    await settle();
    expect(server.sockets).toHaveLength(2);
    expect(feed.state.get().is).toBe("reconnecting");
    expect(server.last.request.query).toContain('after: "1"');
    server.last.ready();
    server.last.send("1");
    server.last.send("2");
    expect(feed.state.get()).toMatchObject({ is: "live", count: 2 });
  },
);

test("the backoff grows and is reset after a success", async () => {
  const { server, waits } = await watching();
  for (let n = 0; n < 7; n += 1) {
    server.last.end(closed(1006));
    await settle();
  }
  server.last.ready();
  server.last.end(closed(1006));
  await settle();
  expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 15000, 15000, 500]);
});

test("an expired token is renewed and the feed resumes with the new one", async () => {
  const { server, exchange, feed } = await watching();
  server.last.ready();
  server.last.send("1");
  server.last.end(closed(4403));
  await settle();
  expect(exchange.calls).toHaveLength(1);
  expect(server.last.token).toBe("access-2");
  expect(server.last.request.query).toContain('after: "1"');
  server.last.ready();
  expect(feed.state.get()).toMatchObject({ is: "live", count: 1 });
});

test("a token that is refused twice is not tried a third time", async () => {
  const { server, feed, completed } = await watching();
  server.last.end(closed(4403));
  await settle();
  server.last.end(closed(4403));
  await settle();
  expect(server.sockets).toHaveLength(2);
  expect(feed.state.get().is).toBe("ended");
  expect(completed()).toBe(1);
});

test("the end of the session signs out and ends the feed", async () => {
  const { server, session, feed, completed } = await watching();
  server.last.ready();
  server.last.end(closed(4401));
  await settle();
  expect(session.tokens).toBeNull();
  expect(feed.state.get()).toMatchObject({ is: "ended" });
  expect(feed.state.get().why).toContain("session has ended");
  expect([server.sockets.length, completed()]).toEqual([1, 1]);
});

test("signing out closes the socket and gives the reason", async () => {
  const { server, session, feed, completed } = await watching();
  server.last.ready();
  session.close("You have signed out.");
  await settle();
  expect(server.last.isOpen).toBe(false);
  expect(feed.state.get()).toMatchObject({ is: "ended", why: "You have signed out." });
  expect(completed()).toBe(1);
  server.last.send("1");
  expect(feed.state.get().count).toBe(0);
});

test("signing in as another user ends the feed, a renewed token does not", async () => {
  const { world, session, feed } = await watching();
  await session.renew();
  expect(feed.state.get().is).toBe("connecting");
  session.open(...world.tokens("grace", { username: "grace" }));
  expect(feed.state.get()).toMatchObject({ is: "ended", why: "You are now signed in as grace." });
});

test("a refused subscription is reported and not retried", async () => {
  const { server, feed } = await watching();
  const extensions = { code: "FORBIDDEN" };
  const message = "This session lacks the scope tweets:read.";
  server.last.end({ is: "refused", errors: [{ message, extensions }] });
  await settle();
  const { is, why } = feed.state.get();
  expect(is).toBe("ended");
  expect(why).toContain(message);
  expect(why).toContain("Sign in without `scopes`");
  expect(server.sockets).toHaveLength(1);
});

test("an error instead of the first event is reported", async () => {
  const { server, feed } = await watching();
  server.last.ready();
  server.last.raw({ data: null, errors: [{ message: "Sign in first." } as never] });
  server.last.end({ is: "completed" });
  await settle();
  expect(feed.state.get()).toMatchObject({ is: "ended", count: 0 });
  expect(feed.state.get().why).toContain("Sign in first.");
});

test("a new subscription ends the previous one", async () => {
  const { server, feed, start } = await watching();
  server.last.ready();
  server.last.send("1");
  start();
  await settle();
  expect(server.sockets.map(({ isOpen }) => isOpen)).toEqual([false, true]);
  expect(feed.state.get()).toMatchObject({ is: "connecting", count: 0 });
});

test("no socket is opened while signed out", async () => {
  const { server, session, feed, start } = await watching();
  session.close("You have signed out.");
  start();
  await settle();
  expect(server.sockets).toHaveLength(1);
  expect(feed.state.get().why).toContain("You are not signed in");
});

test("a close code with a reason is reported with it", async () => {
  const { server, feed, session } = await watching();
  server.last.end({ is: "closed", code: 4401, reason: "The access token is not valid." });
  await settle();
  expect(feed.state.get().why).toBe("The access token is not valid. You are signed out.");
  expect(session.state.get()).toMatchObject({ why: feed.state.get().why });
});

test("after a reload the feed resumes after its last event", async () => {
  const storage = new Kept();
  const before = await watching(storage);
  before.server.last.ready();
  before.server.last.send("7");
  const { feed, server, observer } = await watching(storage);
  expect(feed.state.get().is).toBe("off");
  feed.resume(observer);
  await settle();
  expect(server.last.request.query).toContain('after: "7"');
  server.last.ready();
  server.last.send("8");
  expect(feed.state.get()).toMatchObject({ is: "live", count: 1 });
});

test("a feed that has ended is not resumed after a reload", async () => {
  const storage = new Kept();
  const before = await watching(storage);
  before.feed.stop("You stopped the feed.");
  expect(storage.getItem("chirp.feed")).toBeNull();
});

test("the feed of another user is not resumed", async () => {
  const storage = new Kept();
  await watching(storage);
  const { feed, session, world, server, observer } = await watching(storage);
  session.open(...world.tokens("grace", { username: "grace" }));
  feed.resume(observer);
  await settle();
  expect(server.sockets).toHaveLength(0);
});
