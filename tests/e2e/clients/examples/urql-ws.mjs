// urql with subscriptions over a WebSocket.
import { fetchExchange, subscriptionExchange } from "@urql/core";
import { socket } from "./graphql-ws.mjs";
import * as urql from "./urql.mjs";

export function connect(url, session) {
  const client = socket(url, session);
  const forwardSubscription = (request) => ({ subscribe: (sink) => ({ unsubscribe: client.subscribe(request, sink) }) });
  return urql.connect(url, session, { exchanges: [fetchExchange, subscriptionExchange({ forwardSubscription })] });
}
