// graphql-sse: a response for each subscription. Queries and mutations go over HTTP with JSON.
import { createClient } from "graphql-sse";

export function connect(url, session) {
  const client = createClient({ url, fetchFn: session.fetch, retryAttempts: 0 });
  return {
    subscribe(query, variables, { next, end }) {
      let code;
      return client.subscribe({ query, variables }, {
        next({ data, errors }) {
          code = errors?.[0].extensions?.code;
          if (data) next(data);
        },
        error: ({ response }) => end(response?.status === 403 ? "FORBIDDEN" : undefined),
        complete: () => end(code),
      });
    },
  };
}
