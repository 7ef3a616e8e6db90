/** Requests with the token of the session, for the editor and for the page's own panels. */

import { type Answer, type Post, type Request, UnreachableError } from "./api.ts";
import { isEnded, isExpired, type Session } from "./session.ts";

/**
 * Sends a request with the session's token. An expired token is renewed and the request repeated;
 * a token that is no longer valid signs out. Rejects with UnreachableError.
 */
export async function sendSigned(
  post: Post,
  session: Session,
  request: Request,
  headers?: Record<string, string>,
): Promise<{ answer: Answer; token: string | null }> {
  let token = await session.token();
  let answer = await post(request, { token, headers });
  if (token !== null && isExpired(answer)) {
    await session.renew(token);
    token = await session.token();
    if (token !== null) answer = await post(request, { token, headers });
  }
  if (token !== null && isEnded(answer)) {
    session.close(answer.body.errors?.[0]?.message ?? "The session has ended.", token);
  }
  return { answer, token };
}

/** The API has refused a request of the page itself. The message is shown to users. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  constructor(
    message: string,
    /** The code of the first error, such as `UNAUTHENTICATED`; null without one. */
    readonly code: string | null,
  ) {
    super(message);
  }
}

export type Ask = (
  query: string,
  variables?: Record<string, unknown>,
) => Promise<Record<string, unknown>>;

/** Returns the function that asks the API as the signed-in user and returns the data. */
export function asking(post: Post, session: Session): Ask {
  /** Rejects with RefusedError for a response with errors, and with UnreachableError. */
  return async (query, variables) => {
    const { answer } = await sendSigned(post, session, { query, variables });
    const [error] = answer.body.errors ?? [];
    if (!error && answer.body.data) return answer.body.data;
    const code = error?.extensions?.["code"];
    throw new RefusedError(
      error?.message ?? "The request failed. Try again.",
      typeof code === "string" ? code : null,
    );
  };
}

/** Returns the message of an error that users may read. Throws any other. */
export function messageOf(error: unknown): string {
  if (error instanceof RefusedError || error instanceof UnreachableError) return error.message;
  throw error;
}
