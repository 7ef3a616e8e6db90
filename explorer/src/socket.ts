/** A subscription over its own WebSocket (graphql-transport-ws). */

import { createClient } from "graphql-ws";

import type { ApiError } from "./api.ts";
import type { Connect, End } from "./feed.ts";

/** Milliseconds between pings, and until a socket without a pong is considered dead. */
const PING = 15_000;
const PONG = 5_000;
/** The code with which graphql-ws closes a socket without pongs. */
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
    // feed.ts decides when to reconnect: that depends on the reason and on the token.
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

/** Converts what graphql-ws reports: GraphQL errors, a CloseEvent, or a failed connection. */
function endOf(error: unknown): End {
  if (Array.isArray(error)) {
    return { is: "refused", errors: error as readonly ApiError[] };
  }
  if (typeof error === "object" && error !== null && "code" in error) {
    const { code, reason } = error as { code: number; reason?: string };
    return { is: "closed", code, reason: reason ?? "" };
  }
  return { is: "closed", code: SILENT, reason: "no connection" };
}
