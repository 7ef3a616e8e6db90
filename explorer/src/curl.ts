/** An operation as a command for a shell. */

import type { Request } from "./api.ts";

/**
 * Returns the curl command that sends a request. `token` stands in its Authorization header, which
 * is left out if it is null: the name of a shell variable such as `$TOKEN`, or a shortened token.
 */
export function curl(url: string, request: Request, token: string | null, isStream: boolean): string {
  const parts = [
    `curl ${isStream ? "-N " : ""}${quoted(url)}`,
    "-H 'content-type: application/json'",
    ...(isStream ? ["-H 'accept: text/event-stream'"] : []),
    ...(token === null ? [] : [`-H "authorization: Bearer ${token}"`]),
    `-d ${quoted(JSON.stringify(request))}`,
  ];
  return parts.join(" \\\n  ");
}

/** Returns the beginning and the end of a token, enough to recognise it. */
export function shortened(token: string): string {
  return token.length <= 24 ? "…" : `${token.slice(0, 8)}…${token.slice(-4)}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
