// graphql-ws: one socket for all subscriptions, which comes back by itself.
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { freeze, obey, pause, tell, Token } from "./lines.mjs";

const token = new Token();
const EXPIRED = 4401;

const client = createClient({
  url: process.argv[2].replace(/^http/, "ws"),
  webSocketImpl: WebSocket,
  connectionParams: () => (token.current ? { authorization: `Bearer ${token.current}` } : undefined),
  retryAttempts: Infinity,
  retryWait: () => pause(100),
  // 4403 is an end; so is what the library itself never tries again.
  shouldRetry: (reason) => reason.code !== 4403,
  on: { closed: ({ code, reason }) => tell({ event: "closed", code, reason }) },
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
    async error(error) {
      if (error.code === EXPIRED && token.current) {
        const fresh = token.next();
        tell({ event: "expired", id, reason: error.reason });
        await fresh;
        subscribe({ id, query, variables: payload.variables });
      } else {
        tell({ event: "error", id, code: error.code, reason: error.reason, errors: Array.isArray(error) ? error : undefined });
      }
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
