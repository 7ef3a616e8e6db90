/** The declared services, which the server of the page lists in `/services.js`. */

declare global {
  var SERVICES: readonly string[] | undefined;
}

/** Returns whether a service is declared. The development server has no list: all are. */
export function serves(service: string): boolean {
  return globalThis.SERVICES?.includes(service) ?? true;
}
