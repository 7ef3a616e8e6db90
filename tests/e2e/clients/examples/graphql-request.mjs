// graphql-request: queries and mutations; it has no subscriptions (graphql-ws or graphql-sse have).
import { GraphQLClient } from "graphql-request";

export function connect(url, session) {
  const client = new GraphQLClient(url, { fetch: session.fetch });
  const request = (text, variables) => client.request(text, variables);
  return { query: request, mutate: request };
}
