/** Requests to the API and their responses. */

import { type Transfer, transferOf } from "./transfer.ts";

export interface Request {
  query: string;
  variables?: Record<string, unknown> | undefined;
  operationName?: string | null | undefined;
}

export interface ApiError {
  message: string;
  path?: readonly (string | number)[];
  locations?: readonly { line: number; column: number }[];
  extensions?: Record<string, unknown>;
}

export interface Body {
  data?: Record<string, unknown> | null;
  errors?: readonly ApiError[];
  extensions?: Record<string, unknown>;
}

export interface Answer {
  status: number;
  body: Body;
  /** The time of the response by the server's clock, in milliseconds. */
  serverTime: number;
  /** Of the response as the browser has seen it. */
  transfer?: Transfer;
}

/** No usable response arrived. The message is shown to users. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
}

export type Post = (
  request: Request,
  options?: { token?: string | null; headers?: Record<string, string> | undefined },
) => Promise<Answer>;

/** Milliseconds; longer than the edge waits for the router. */
const TIMEOUT = 35_000;

/** Sends a request. Rejects with UnreachableError only. */
export const post: Post = async (request, { token, headers } = {}) => {
  const start = performance.now();
  try {
    const response = await fetch("/graphql", {
      method: "POST",
      headers: {
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...headers,
        accept: "application/json",
        "content-type": "application/json",
      },
      body: JSON.stringify(request),
      credentials: "omit",
      signal: AbortSignal.timeout(TIMEOUT),
    });
    const date = Date.parse(response.headers.get("date") ?? "");
    const text = await response.text();
    return {
      status: response.status,
      body: readBody(text, response.status),
      serverTime: Number.isNaN(date) ? Date.now() : date,
      transfer: transferOf(response, text, performance.now() - start),
    };
  } catch (error) {
    const late = error instanceof DOMException && error.name === "TimeoutError";
    throw new UnreachableError(late ? "Chirp did not answer in time." : "Chirp cannot be reached.");
  }
};

function readBody(text: string, status: number): Body {
  try {
    const body: unknown = JSON.parse(text);
    if (isRecord(body)) return body;
  } catch {
    // Reported below.
  }
  return { errors: [{ message: `The answer (status ${status}) is not JSON.` }] };
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
