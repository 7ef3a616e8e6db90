// graphql-sse: a response for each subscription ("distinct connections mode").
import { createClient } from "graphql-sse";
import { freeze, obey, pause, tell, Token } from "./lines.mjs";

const token = new Token();

const client = createClient({
  url: process.argv[2],
  headers: () => (token.current ? { authorization: `Bearer ${token.current}` } : {}),
  retryAttempts: 0, // here: the library would also try again with a token that was refused
});

async function subscribe({ id, query, variables }) {
  const request = { query, variables: { ...variables } };
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
    const stop = client.subscribe(request, {
      next(result) {
        const cursor = result.data?.tweetFeed?.cursor;
        if (cursor) request.variables.after = cursor;
        const { code, reason } = (!result.data && result.errors?.[0].extensions) || {};
        if (reason === "EXPIRED") ended = "expired";
        else if (code === "SERVICE_UNAVAILABLE") ended = "cut";
        else tell({ event: "next", id, ...result });
      },
      async error(error) {
        const response = error.response;
        if (response?.status === 401 && (await response.clone().text()).match(/expired/i)) resolve("expired");
        else if (!response || response.status >= 500) resolve("cut");
        else {
          tell({ event: "error", id, status: response.status, body: await response.json() });
          resolve("over");
        }
      },
      complete() {
        if (!ended) tell({ event: "complete", id });
        resolve(ended ?? "over");
      },
    });
    running.set(id, () => {
      stop();
      resolve("over");
    });
  });
}

const running = new Map();

obey({
  token: ({ token: value }) => token.set(value),
  subscribe,
  stop: ({ id }) => running.get(id)(),
  freeze,
});
