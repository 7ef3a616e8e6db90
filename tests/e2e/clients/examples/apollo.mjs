// Apollo Client 4; a subscription is a multipart response.
import { ApolloClient, gql, HttpLink, InMemoryCache } from "@apollo/client";

export function connect(url, session, around = (http) => http) {
  const http = new HttpLink({ uri: url, fetch: session.fetch });
  const client = new ApolloClient({ cache: new InMemoryCache(), link: around(http) });
  return { client, ...operations(client) };
}

export function operations(client) {
  return {
    query: async (text, variables) => (await client.query({ query: gql(text), variables, fetchPolicy: "network-only" })).data,
    mutate: async (text, variables) => (await client.mutate({ mutation: gql(text), variables })).data,
    subscribe(text, variables, { next, end }) {
      let code;
      const subscription = client.subscribe({ query: gql(text), variables, fetchPolicy: "no-cache" }).subscribe({
        next({ data, error }) {
          code = error?.errors?.[0].extensions?.code;
          if (data) next(data);
        },
        error: (error) => end(error.errors?.[0].extensions?.code ?? closeCode(error)),
        complete: () => end(code),
      });
      return () => subscription.unsubscribe();
    },
  };
}

// Over a WebSocket (apollo-ws.mjs) the reason is in the close code.
const closeCode = ({ cause, code = cause?.code }) => ({ 4401: "UNAUTHENTICATED", 4403: "FORBIDDEN" })[code];
