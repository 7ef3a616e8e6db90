/** How an operation and its response change the session. */

import { type Operation, Selected } from "./operation.ts";

/** These are sent without a token, because a token that is sent is always verified. */
const OPENING = ["signUp", "signIn", "refreshSession"];
const CLOSING = ["signOut", "signOutEverywhere"];
/** These may have ended this session or another one. */
const DOUBTFUL = ["revokeSession", "deleteAccount", "resetPassword", "restoreEmail"];

/** The characters of a token (RFC 6750): a message under the same alias does not match. */
const TOKEN = /^[\w\-.~+/]+=*$/;

/** The selected fields of `SignedIn`. */
export interface SignedIn {
  accessToken: string;
  /** An ISO date. */
  expiresAt: string | null;
  refreshToken: string | null;
  username: string | null;
}

export type Outcome =
  | { is: "signed-in"; who: SignedIn }
  | { is: "signed-out" }
  | { is: "doubtful" }
  | { is: "unchanged" };

export function opensSession(operation: Operation): boolean {
  return operation.kind === "mutation" && OPENING.some((name) => operation.roots.has(name));
}

export function outcomeOf(operation: Operation, data: unknown): Outcome {
  if (operation.kind !== "mutation") return { is: "unchanged" };
  const answer = Selected.of(operation, data);
  for (const result of OPENING.flatMap((name) => answer.all(name))) {
    const accessToken = result.text("accessToken");
    if (!accessToken || !TOKEN.test(accessToken)) continue;
    return {
      is: "signed-in",
      who: {
        accessToken,
        expiresAt: result.text("accessTokenExpiresAt"),
        refreshToken: result.text("refreshToken"),
        username: result.child("user")?.text("username") ?? null,
      },
    };
  }
  if (CLOSING.some((name) => answer.child(name))) return { is: "signed-out" };
  if (DOUBTFUL.some((name) => answer.child(name))) return { is: "doubtful" };
  return { is: "unchanged" };
}
