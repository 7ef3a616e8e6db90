// Apollo Client: subscriptions as multipart responses, without any package or link beside it.
import { ApolloClient, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { CombinedProtocolErrors, ServerError } from "@apollo/client/errors";
import { freeze, obey, pause, tell, Token } from "./lines.mjs";

const token = new Token();

const client = new ApolloClient({
  cache: new InMemoryCache(),
  link: new HttpLink({
    uri: process.argv[2],
    fetch: (url, options) =>
      fetch(url, { ...options, headers: { ...options.headers, ...(token.current ? { authorization: `Bearer ${token.current}` } : {}) } }),
  }),
});

async function subscribe({ id, query, variables }) {
  const request = { query: gql(query), variables: { ...variables }, fetchPolicy: "no-cache", errorPolicy: "all" };
  for (;;) {
    const why = await once(id, request);
    if (why === "over") return;
    if (why === "expired") {
      const fresh = token.next();
      tell({ event: "expired", id });
      await fresh;
    }
    await pause(100);
  }
}

// Why the stream is over: for good, because of the token, or for now.
function once(id, request) {
  return new Promise((resolve) => {
    let ended;
    const subscription = client.subscribe(request).subscribe({
      next(result) {
        const cursor = result.data?.tweetFeed?.cursor;
        if (cursor) request.variables.after = cursor;
        if (result.error?.errors?.some(({ path }) => path)) {
          tell({ event: "next", id, data: result.data ?? null, errors: result.error.errors });
          return;
        }
        if (result.error) {
          ended = reason(id, result.error);
          if (ended !== "cut") return;
        }
        if (result.data) tell({ event: "next", id, data: result.data });
      },
      error: (error) => resolve(reason(id, error)),
      complete() {
        if (!ended) tell({ event: "complete", id });
        resolve(ended ?? "over");
      },
    });
    running.set(id, () => {
      subscription.unsubscribe();
      resolve("over");
    });
  });
}

function reason(id, error) {
  if (CombinedProtocolErrors.is(error)) {
    const [{ message, extensions }] = error.errors;
    if (extensions.reason === "EXPIRED") return "expired";
    if (extensions.code === "SERVICE_UNAVAILABLE") return "cut";
    tell({ event: "error", id, fatal: true, message, code: extensions.reason ?? extensions.code });
    return "over";
  }
  if (ServerError.is(error)) {
    if (error.statusCode === 401 && error.bodyText.match(/expired/i)) return "expired";
    if (error.statusCode >= 500) return "cut";
    tell({ event: "error", id, status: error.statusCode, body: JSON.parse(error.bodyText) });
    return "over";
  }
  if (error.errors) {
    tell({ event: "error", id, errors: error.errors });
    return "over";
  }
  return "cut"; // the network
}

const running = new Map();

obey({
  token: ({ token: value }) => token.set(value),
  subscribe,
  stop: ({ id }) => running.get(id)(),
  freeze,
});
