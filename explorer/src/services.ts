/** Which services there are: the server of the page lists them in `/services.js`. */

declare global {
  var SERVICES: readonly string[] | undefined;
}

/** Whether this service is declared. Without a list, as in the development server, all are. */
export function serves(service: string): boolean {
  return globalThis.SERVICES?.includes(service) ?? true;
}
