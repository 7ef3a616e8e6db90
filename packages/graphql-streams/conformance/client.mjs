// node client.mjs KIND URL TOKEN QUERY STOP_AFTER: subscribes once with a real client, and prints
// what the client reports, one line of JSON each.
import { ApolloClient, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { createClient as createSse } from "graphql-sse";
import { createClient as createWs } from "graphql-ws";
import WebSocket from "ws";

const [, , kind, url, token, query, stopAfter] = process.argv;
const authorization = `Bearer ${token}`;

const kinds = {
  "graphql-ws": (sink) =>
    createWs({
      url: url.replace(/^http/, "ws"),
      webSocketImpl: WebSocket,
      connectionParams: { authorization },
      retryAttempts: 0,
    }).subscribe({ query }, sink),
  "graphql-sse": (sink) => createSse({ url, headers: { authorization }, retryAttempts: 0 }).subscribe({ query }, sink),
  "apollo-client": (sink) => {
    const link = new HttpLink({ uri: url, headers: { authorization } });
    const client = new ApolloClient({ link, cache: new InMemoryCache() });
    const subscription = client.subscribe({ query: gql(query), fetchPolicy: "no-cache", errorPolicy: "all" }).subscribe(sink);
    return () => subscription.unsubscribe();
  },
};

const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

// An error as text: GraphQL errors, a close event, a response or an exception.
async function text(error) {
  const list = Array.isArray(error) ? error : error.errors;
  if (list) return list.map((each) => each.message).join();
  const body = error.bodyText ?? (await error.response?.text?.()) ?? "";
  return `${error.code ?? error.statusCode ?? error.response?.status ?? ""} ${error.reason ?? error.message} ${body}`;
}

let events = 0;
const stop = kinds[kind]({
  next(result) {
    events += 1;
    const errors = result.errors ?? (result.error && [result.error]);
    if (errors) print({ error: errors.map((each) => `${each.message} ${each.bodyText ?? ""}`).join() });
    else print({ next: result.data });
    if (events === Number(stopAfter)) {
      print({ stopped: true });
      stop();
    }
  },
  error: async (error) => print({ error: await text(error) }),
  complete: () => print({ complete: true }),
});
