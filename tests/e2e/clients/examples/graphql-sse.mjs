// graphql-sse: a response for each subscription. Queries and mutations go over HTTP with JSON.
import { createClient } from "graphql-sse";

export function connect(url, session) {
  const client = createClient({ url, fetchFn: session.fetch, retryAttempts: 0 });
  return {
    subscribe(query, variables, { next, end }) {
      let why;
      return client.subscribe({ query, variables }, {
        next({ data, errors }) {
          why = errors?.[0].extensions?.reason ?? errors?.[0].extensions?.code;
          if (data) next(data);
        },
        error: ({ response }) => end(response?.status === 401 ? "UNAUTHENTICATED" : undefined),
        complete: () => end(why),
      });
    },
  };
}
