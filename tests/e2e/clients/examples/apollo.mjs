// Apollo Client 4; a subscription is a multipart response.
import { readFileSync } from "node:fs"; // in a browser: generate the types at build time
import { ApolloClient, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { possibleTypes } from "./possible-types.mjs";

const schema = readFileSync(new URL("../../../../router/api.graphql", import.meta.url), "utf8");

export function connect(url, session, around = (http) => http) {
  const http = new HttpLink({ uri: url, fetch: session.fetch });
  const client = new ApolloClient({ cache: new InMemoryCache({ possibleTypes: possibleTypes(schema) }), link: around(http) });
  return { client, ...operations(client) };
}

export function operations(client) {
  return {
    query: async (text, variables) => (await client.query({ query: gql(text), variables, fetchPolicy: "network-only" })).data,
    mutate: async (text, variables) => (await client.mutate({ mutation: gql(text), variables })).data,
    subscribe(text, variables, { next, end }) {
      let why;
      const subscription = client.subscribe({ query: gql(text), variables, fetchPolicy: "no-cache" }).subscribe({
        next({ data, error }) {
          if (error) why = reasonOf(error.errors?.[0]) ?? closeCode(error);
          else next(data);
        },
        complete: () => end(why),
      });
      return () => subscription.unsubscribe();
    },
  };
}

const reasonOf = (error) => error?.extensions?.reason ?? error?.extensions?.code;

// Over a WebSocket (apollo-ws.mjs) Apollo gives the close code in a message alone.
const closeCode = ({ message }) => ({ 4401: "UNAUTHENTICATED", 4403: "EXPIRED" })[/^Socket closed with event (\d+)/.exec(message)?.[1]];
