// urql; subscriptions are server-sent events, or go over a WebSocket (urql-ws.mjs).
import { Client, fetchExchange } from "@urql/core";

export function connect(url, session, options = { exchanges: [fetchExchange], fetchSubscriptions: true }) {
  // A GET, which urql prefers for a query, would put the document into logs; the edge refuses it.
  const client = new Client({ url, fetch: session.fetch, preferGetMethod: false, ...options });
  const data = (result) => (result.error ? Promise.reject(result.error) : result.data);
  return {
    query: async (text, variables) => data(await client.query(text, variables).toPromise()),
    mutate: async (text, variables) => data(await client.mutation(text, variables).toPromise()),
    subscribe(text, variables, { next, end }) {
      const { unsubscribe } = client.subscription(text, variables).subscribe(({ data, error, hasNext }) => {
        if (data && !error) next(data);
        if (!hasNext) end(reasonOf(error?.graphQLErrors[0]) ?? closeCode(error));
      });
      return unsubscribe;
    },
  };
}

const reasonOf = (error) => error?.extensions?.reason ?? error?.extensions?.code;
const closeCode = (error) => ({ 4401: "UNAUTHENTICATED", 4403: "EXPIRED" })[error?.networkError?.code];
