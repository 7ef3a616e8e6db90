/** What happened to the account of the signed-in user, page by page. */

import type { Ask } from "./signed.ts";

export const SECURITY_EVENTS = `query SecurityEvents($after: String) {
  securityEvents(first: 10, after: $after) {
    edges { node { id at description browser system address byOperator } }
    pageInfo { hasNextPage endCursor }
  }
}`;

export interface SecurityEvent {
  id: string;
  at: string;
  description: string;
  browser: string | null;
  system: string | null;
  address: string | null;
  byOperator: boolean;
}

export interface EventPage {
  /** The newest first. */
  events: readonly SecurityEvent[];
  /** The cursor of the next page; null after the last. */
  next: string | null;
}

interface Connection {
  edges: { node: SecurityEvent }[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
}

/** Returns the events after a cursor; the newest ones without it. */
export async function securityEvents(ask: Ask, after: string | null): Promise<EventPage> {
  const { edges, pageInfo } = (await ask(SECURITY_EVENTS, { after }))["securityEvents"] as Connection;
  return {
    events: edges.map(({ node }) => node),
    next: pageInfo.hasNextPage ? pageInfo.endCursor : null,
  };
}
