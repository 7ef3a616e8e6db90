// graphql-ws: one socket for all subscriptions, which comes back by itself.
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { freeze, obey, pause, tell, Token } from "./lines.mjs";

const token = new Token();
const EXPIRED = 4403;
let fresh; // the next token, while the one before has expired
// "stock": as its users have it, with its own waits and number of attempts.
// Else it also tries again when no socket can be opened, at once and for ever.
const patient = { retryAttempts: Infinity, retryWait: () => pause(100), shouldRetry: () => true };
const pace = process.argv[3] === "stock" ? {} : patient;

const client = createClient({
  url: process.argv[2].replace(/^http/, "ws"),
  webSocketImpl: WebSocket,
  ...pace,
  async connectionParams() {
    await fresh;
    return token.current ? { authorization: `Bearer ${token.current}` } : undefined;
  },
  on: {
    closed({ code, reason }) {
      if (code === EXPIRED) fresh = token.next();
      tell({ event: code === EXPIRED ? "expired" : "closed", code, reason });
    },
  },
});

// The library sends the payload again after a cut: `after` in it moves on with each event.
function subscribe({ id, query, variables }) {
  const payload = { query, variables: { ...variables } };
  const stop = client.subscribe(payload, {
    next(result) {
      const cursor = result.data?.tweetFeed?.cursor;
      if (cursor) payload.variables.after = cursor;
      tell({ event: "next", id, ...result });
    },
    error(error) {
      tell({ event: "error", id, code: error.code, reason: error.reason, errors: Array.isArray(error) ? error : undefined });
    },
    complete: () => tell({ event: "complete", id }),
  });
  running.set(id, stop);
}

const running = new Map();

obey({
  token: ({ token: value }) => token.set(value),
  subscribe,
  stop: ({ id }) => running.get(id)(),
  freeze,
});
