// graphql-ws: subscriptions over one WebSocket. Queries and mutations go over HTTP.
import { createClient } from "graphql-ws";

export function socket(url, session) {
  return createClient({
    url: url.replace(/^http/, "ws"),
    connectionParams: () => ({ authorization: `Bearer ${session.accessToken}` }),
    retryAttempts: 0, // follow.mjs subscribes again, from the last cursor
  });
}

export function connect(url, session) {
  const client = socket(url, session);
  return {
    subscribe: (query, variables, { next, end }) =>
      client.subscribe({ query, variables }, { next: ({ data }) => data && next(data), error: (error) => end(codeOf(error)), complete: end }),
  };
}

// An operation fails with errors, a socket with a close code.
export const codeOf = (error) => error[0]?.extensions?.reason ?? error[0]?.extensions?.code ?? { 4401: "UNAUTHENTICATED", 4403: "EXPIRED" }[error.code];
