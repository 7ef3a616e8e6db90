/** Signs in, up and out without the editor, for the bar at the top. */

import { type Body, isRecord, type Post, UnreachableError } from "./api.ts";
import type { Devices } from "./devices.ts";
import type { Exchange, Session } from "./session.ts";
import type { SignedIn } from "./sign-in.ts";
import type { Store } from "./store.ts";

const SIGNED_IN = `... on SignedIn {
  accessToken accessTokenExpiresAt refreshToken deviceToken passwordBreached user { username } }`;
const SIGN_IN = `mutation SignIn($input: SignInInput!) { signIn(input: $input) { ${SIGNED_IN}
  ... on Error { message } ... on InvalidInputError { problems { field message } } } }`;
const SIGN_UP = `mutation SignUp($input: SignUpInput!) { signUp(input: $input) { ${SIGNED_IN}
  ... on Error { message } ... on InvalidInputError { problems { field message } } } }`;
const SIGN_OUT = "mutation SignOut { signOut { sessionIds } }";
const REFRESH = `mutation Refresh($token: String!) { refreshSession(refreshToken: $token) {
  __typename ${SIGNED_IN} } }`;

export interface Credentials {
  username: string;
  password: string;
  /** Null to sign in, an address to sign up. */
  email: string | null;
}

/** Why the server refused, by field where it is known. */
export interface Refusal {
  message: string;
  fields: Readonly<Record<string, string>>;
}

/** Signs in or up, and sets whether the password has leaked. Returns null on success. Rejects with UnreachableError. */
export async function enter(
  post: Post,
  session: Session,
  devices: Devices,
  breached: Store<boolean>,
  { username, password, email }: Credentials,
): Promise<Refusal | null> {
  const deviceToken = devices.tokenFor(username);
  const [name, query, input] =
    email === null
      ? (["signIn", SIGN_IN, { login: username, password, deviceToken }] as const)
      : (["signUp", SIGN_UP, { username, email, password }] as const);
  const { body, serverTime } = await post({ query, variables: { input } });
  const result = body.data?.[name];
  const who = signedIn(result);
  if (who) {
    remember(devices, result, username);
    breached.set(isRecord(result) && result["passwordBreached"] === true);
    session.open(who, serverTime);
    return null;
  }
  return refusalOf(body, name);
}

/** Returns why an operation with this root field failed. */
export function refusalOf(body: Body, name: string): Refusal {
  const result = body.data?.[name];
  if (!isRecord(result)) {
    return { message: body.errors?.[0]?.message ?? "The request failed. Try again.", fields: {} };
  }
  const problems = Array.isArray(result["problems"]) ? result["problems"].filter(isRecord) : [];
  return {
    message: String(result["message"]),
    fields: Object.fromEntries(
      problems.map((problem) => [String(problem["field"]), String(problem["message"])]),
    ),
  };
}

/** Signs out in this window, and at the server if it answers. Returns whether it did. */
export async function leave(post: Post, session: Session): Promise<boolean> {
  let done = false;
  try {
    const token = await session.token();
    const { status, body } = await post({ query: SIGN_OUT }, { token });
    done = status === 401 || Boolean(body.data?.["signOut"]);
  } catch {
    // The result reports that the server did not answer.
  }
  session.close(
    done
      ? "You have signed out."
      : "Signed out in this window only: the server did not answer, and the session is still open.",
  );
  return done;
}

/** Returns the function that exchanges a refresh token for new tokens. */
export function exchange(post: Post, devices: Devices): Exchange {
  return async (token) => {
    const { body, serverTime } = await post({ query: REFRESH, variables: { token } });
    const result = body.data?.["refreshSession"];
    const who = signedIn(result);
    if (who) {
      remember(devices, result);
      return { who, serverTime };
    }
    if (isRecord(result)) return null;
    throw new UnreachableError(
      body.errors?.[0]?.message ?? "The session cannot be renewed right now.",
    );
  };
}

/** Keeps the device token of a sign-in for its user, also under the login that was typed. */
function remember(devices: Devices, result: unknown, ...typed: string[]): void {
  if (!isRecord(result) || typeof result["deviceToken"] !== "string") return;
  const user = isRecord(result["user"]) ? [String(result["user"]["username"])] : [];
  devices.keep(result["deviceToken"], ...user, ...typed);
}

function signedIn(result: unknown): SignedIn | null {
  if (!isRecord(result) || typeof result["accessToken"] !== "string") return null;
  const user = isRecord(result["user"]) ? result["user"] : {};
  return {
    accessToken: result["accessToken"],
    expiresAt: String(result["accessTokenExpiresAt"]),
    refreshToken: String(result["refreshToken"]),
    username: String(user["username"]),
  };
}
