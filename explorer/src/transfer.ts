/** What the browser has seen of a response: its status, time, size, and ids to look it up by. */

export interface Transfer {
  status: number;
  milliseconds: number;
  /** Bytes of the body, without compression. */
  bytes: number;
  /** The edge's id of the request, which the logs have; null without one. */
  requestId: string | null;
  /** The trace of the request; null if it is not traced. */
  traceId: string | null;
}

/** A traceparent (W3C) that is recorded, as the edge returns it. */
const RECORDED = /^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f][13579bdf]$/;

export function transferOf(
  { status, headers }: Pick<Response, "status" | "headers">,
  body: string,
  milliseconds: number,
): Transfer {
  return {
    status,
    milliseconds: Math.round(milliseconds),
    bytes: new TextEncoder().encode(body).length,
    requestId: headers.get("x-request-id"),
    traceId: RECORDED.exec(headers.get("traceresponse") ?? "")?.[1] ?? null,
  };
}

export function sizeOf(bytes: number): string {
  return bytes < 1000 ? `${bytes} B` : `${(bytes / 1000).toFixed(1)} kB`;
}
