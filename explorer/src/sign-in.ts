/** How an operation and its response change the session. */

import { type Operation, Selected } from "./operation.ts";

/** These are sent without a token, because a token that is sent is always verified. */
const OPENING = ["signUp", "signIn", "refreshSession"];
/** This one replaces the session of its token. */
const REPLACING = ["reauthenticate"];
const CLOSING = ["signOut"];
/** These may have ended this session or another one. */
const DOUBTFUL = [
  ...REPLACING, // without a token in the response
  "signOutEverywhere",
  "revokeSession",
  "deleteAccount",
  "resetPassword",
  "restoreEmail",
];

/** The characters of a token (RFC 6750): a message under the same alias does not match. */
const TOKEN = /^[\w\-.~+/]+=*$/;

/** The selected fields of `SignedIn` or `Reauthenticated`. */
export interface SignedIn {
  accessToken: string;
  /** An ISO date. */
  expiresAt: string | null;
  refreshToken: string | null;
  username: string | null;
}

export type Outcome =
  | { is: "signed-in" | "reauthenticated"; who: SignedIn }
  | { is: "signed-out" }
  | { is: "doubtful" }
  | { is: "unchanged" };

export function opensSession(operation: Operation): boolean {
  return operation.kind === "mutation" && OPENING.some((name) => operation.roots.has(name));
}

export function outcomeOf(operation: Operation, data: unknown): Outcome {
  if (operation.kind !== "mutation") return { is: "unchanged" };
  const answer = Selected.of(operation, data);
  const opened = signedIn(answer, OPENING);
  if (opened) return { is: "signed-in", who: opened };
  const replaced = signedIn(answer, REPLACING);
  if (replaced) return { is: "reauthenticated", who: replaced };
  if (CLOSING.some((name) => answer.child(name))) return { is: "signed-out" };
  if (DOUBTFUL.some((name) => answer.child(name))) return { is: "doubtful" };
  return { is: "unchanged" };
}

/** Returns whether the operation has signed in with a password that is in a list of leaked ones. */
export function signsInWithBreachedPassword(operation: Operation, data: unknown): boolean {
  const results = Selected.of(operation, data).all("signIn");
  return results.some((result) => result.child("passwordBreached")?.value === true);
}

/** Returns the tokens in the result of the first of these fields that has an access token. */
function signedIn(answer: Selected, fields: readonly string[]): SignedIn | null {
  for (const result of fields.flatMap((name) => answer.all(name))) {
    const accessToken = result.text("accessToken");
    if (!accessToken || !TOKEN.test(accessToken)) continue;
    return {
      accessToken,
      expiresAt: result.text("accessTokenExpiresAt"),
      refreshToken: result.text("refreshToken"),
      username: result.child("user")?.text("username") ?? null,
    };
  }
  return null;
}
