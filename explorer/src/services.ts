/** The services that are declared: what another one would serve is not offered. */

export const SERVICES: readonly string[] = [
  // >>> generated from services.toml: services
  "auth",
  "tweets",
  "notifier",
  "explorer",
  // <<< generated
];
