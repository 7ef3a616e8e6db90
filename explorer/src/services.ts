/** What the server of the page knows, which `/services.js` sets: the declared services. */

declare global {
  var SERVICES: readonly string[] | undefined;
  /** The address of a trace, with `{trace_id}` for its id; null without a viewer. */
  var TRACE_URL: string | null | undefined;
}

/** Returns whether a service is declared. The development server has no list: all are. */
export function serves(service: string): boolean {
  return globalThis.SERVICES?.includes(service) ?? true;
}

/** Returns where a trace is shown; null without a viewer. */
export function traceUrl(traceId: string): string | null {
  return globalThis.TRACE_URL?.replaceAll("{trace_id}", traceId) ?? null;
}
