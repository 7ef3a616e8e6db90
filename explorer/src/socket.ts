/** A subscription over a WebSocket (graphql-transport-ws), one socket each. */

import { createClient } from "graphql-ws";

import type { Connect, End } from "./feed.ts";

/** A socket that has not answered a ping for so long is dead, though nobody has told us. */
const PING = 15_000;
const PONG = 5_000;
/** What graphql-ws closes with when it gives up on a silent socket. */
const SILENT = 4499;

export const connect: Connect = (token, request, on) => {
  let silence: ReturnType<typeof setTimeout> | undefined;
  const client = createClient({
    url: () => {
      const url = new URL("/graphql", location.href);
      url.protocol = url.protocol.replace("http", "ws");
      return url.href;
    },
    connectionParams: { authorization: `Bearer ${token}` },
    // Whether and when to come back is decided in feed.ts: it depends on why, and on the token.
    retryAttempts: 0,
    connectionAckWaitTimeout: 10_000,
    keepAlive: PING,
    on: {
      connected: on.ready,
      ping: (received) => {
        if (!received) silence = setTimeout(() => client.terminate(), PONG);
      },
      pong: (received) => {
        if (received) clearTimeout(silence);
      },
      closed: () => clearTimeout(silence),
    },
  });
  let unsubscribe = (): void => {};
  const over = new Promise<End>((resolve) => {
    const payload = {
      query: request.query,
      ...(request.variables ? { variables: request.variables } : {}),
      ...(request.operationName ? { operationName: request.operationName } : {}),
    };
    unsubscribe = client.subscribe(payload, {
      next: on.event as Parameters<typeof client.subscribe>[1]["next"],
      error: (error) => resolve(endOf(error)),
      complete: () => resolve({ is: "completed" }),
    });
  });
  return { over: over.finally(() => client.dispose()), close: () => unsubscribe() };
};

/** What graphql-ws hands on: GraphQL errors, a CloseEvent, or the Event of a failed connection. */
function endOf(error: unknown): End {
  if (Array.isArray(error)) {
    return { is: "refused", messages: error.map((each: { message: string }) => each.message) };
  }
  if (typeof error === "object" && error !== null && "code" in error) {
    const { code, reason } = error as { code: number; reason?: string };
    return { is: "closed", code, reason: reason ?? "" };
  }
  return { is: "closed", code: SILENT, reason: "no connection" };
}
