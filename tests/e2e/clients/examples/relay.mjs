// Relay's network layer, which an Environment takes; subscriptions go over a WebSocket.
import relay from "relay-runtime";
import { codeOf, socket } from "./graphql-ws.mjs";

const { Network, Observable } = relay;

export function connect(url, session) {
  const client = socket(url, session);
  const headers = { "content-type": "application/json" };
  const fetchFunction = async ({ text }, variables) =>
    (await session.fetch(url, { method: "POST", headers, body: JSON.stringify({ query: text, variables }) })).json();
  const subscribeFunction = ({ text }, variables) => Observable.create((sink) => client.subscribe({ query: text, variables }, sink));
  const network = Network.create(fetchFunction, subscribeFunction);

  // What Relay's compiler and Environment do with it.
  const execute = (operationKind, text, variables) =>
    network.execute({ name: "Example", operationKind, text, id: null, metadata: {} }, variables ?? {}, { force: true });
  return {
    network,
    query: async (text, variables) => (await execute("query", text, variables).toPromise()).data,
    mutate: async (text, variables) => (await execute("mutation", text, variables).toPromise()).data,
    subscribe(text, variables, { next, end }) {
      const subscription = execute("subscription", text, variables).subscribe({
        next: ({ data }) => next(data),
        error: (error) => end(codeOf(error)),
        complete: end,
      });
      return () => subscription.unsubscribe();
    },
  };
}
