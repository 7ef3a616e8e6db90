/** The sessions of the signed-in user: lists and ends them. */

import { type Refusal, refusalOf } from "./account.ts";
import type { Post } from "./api.ts";
import type { Session } from "./session.ts";
import { type Ask, sendSigned } from "./signed.ts";

export const SESSIONS = `query Sessions {
  sessions { id browser system address createdAt lastUsedAt current }
}`;
export const REAUTHENTICATE = `mutation Reauthenticate($password: String!) {
  reauthenticate(password: $password) {
    __typename
    ... on Reauthenticated { accessToken accessTokenExpiresAt refreshToken }
    ... on Error { message }
  }
}`;

/** The most mutations of one request. */
const MOST = 5;

/** A session as its owner sees it. */
export interface OpenSession {
  id: string;
  browser: string | null;
  system: string | null;
  address: string;
  createdAt: string;
  lastUsedAt: string;
  /** Whether this page belongs to it. */
  current: boolean;
}

/** `password` if the password is needed again, else a message for users. */
export type Ended = { is: "ended" } | { is: "password" } | { is: "refused"; why: string };

export async function openSessions(ask: Ask): Promise<OpenSession[]> {
  return (await ask(SESSIONS))["sessions"] as OpenSession[];
}

/** Ends sessions, as many as it can. A session that has ended already counts as ended. */
export async function endSessions(ask: Ask, ids: readonly string[]): Promise<Ended> {
  for (let start = 0; start < ids.length; start += MOST) {
    const [query, variables] = revocation(ids.slice(start, start + MOST));
    for (const result of Object.values(await ask(query, variables))) {
      const { __typename: type, message } = result as { __typename: string; message?: string };
      if (type === "ReauthenticationRequiredError") return { is: "password" };
      if (message !== undefined && type !== "SessionNotFoundError") {
        return { is: "refused", why: message };
      }
    }
  }
  return { is: "ended" };
}

/** Returns the mutation that ends these sessions, and its variables. */
export function revocation(ids: readonly string[]): [query: string, variables: Record<string, string>] {
  const declared = ids.map((_, index) => `$id${index}: ID!`);
  const fields = ids.map(
    (_, index) => `end${index}: revokeSession(id: $id${index}) { __typename ... on Error { message } }`,
  );
  return [
    ["mutation EndSessions(", ...declared, ") {", ...fields, "}"].join("\n"),
    Object.fromEntries(ids.map((id, index) => [`id${index}`, id])),
  ];
}

/** Checks the password; the page goes on in a new session. Returns null on success. */
export async function reauthenticate(
  post: Post,
  session: Session,
  password: string,
): Promise<Refusal | null> {
  const request = { query: REAUTHENTICATE, variables: { password } };
  const { answer, token } = await sendSigned(post, session, request);
  const result = answer.body.data?.["reauthenticate"] as Record<string, string> | undefined;
  const { accessToken, accessTokenExpiresAt, refreshToken } = result ?? {};
  if (token === null || !accessToken || !refreshToken) {
    return refusalOf(answer.body, "reauthenticate");
  }
  const expiresAt = accessTokenExpiresAt ?? null;
  const who = { accessToken, expiresAt, refreshToken, username: null };
  session.replace(who, answer.serverTime, token);
  return null;
}

/** Returns the name of a device, such as "Firefox on Linux". */
export function deviceOf({ browser, system }: { browser: string | null; system: string | null }): string {
  if (browser && system) return `${browser} on ${system}`;
  return browser ?? system ?? "Unknown device";
}
