/** Sends operations with the token of the session, and updates the session from the responses. */

import { type Answer, isRecord, type Post, type Request, UnreachableError } from "./api.ts";
import type { Operation } from "./operation.ts";
import { isEnded, type Session } from "./session.ts";
import { sendSigned } from "./signed.ts";
import { opensSession, outcomeOf } from "./sign-in.ts";

const ME: Request = { query: "{ me { username } }" };
const SIGNED_OUT = "You have signed out.";

export class Client {
  constructor(
    private readonly post: Post,
    private readonly session: Session,
  ) {}

  /**
   * Sends a request. Rejects with UnreachableError. An Authorization among the user's `headers`
   * replaces that of the session. Introspection needs no token and is sent without one.
   */
  async send(
    request: Request,
    operation: Operation | null,
    headers?: Record<string, string>,
  ): Promise<Answer> {
    const own = Object.keys(headers ?? {}).some((name) => name.toLowerCase() === "authorization");
    const anonymous =
      own || (operation !== null && (opensSession(operation) || isIntrospection(operation)));
    const { answer, token } = anonymous
      ? { answer: await this.post(request, { token: null, headers }), token: null }
      : await sendSigned(this.post, this.session, request, headers);
    if (operation) await this.#follow(operation, answer, token);
    return answer;
  }

  async #follow(operation: Operation, answer: Answer, token: string | null): Promise<void> {
    const outcome = outcomeOf(operation, answer.body.data);
    if (outcome.is === "signed-in") {
      this.session.open(outcome.who, answer.serverTime);
      if (outcome.who.username === null) await this.identify();
    } else if (token !== null && outcome.is === "reauthenticated") {
      this.session.replace(outcome.who, answer.serverTime, token);
    } else if (token !== null && outcome.is === "signed-out") {
      this.session.close(SIGNED_OUT);
    } else if (token !== null && outcome.is === "doubtful") {
      await this.identify();
    }
  }

  /** Reads the username of the token, and signs out if the token is no longer valid. */
  async identify(): Promise<void> {
    const token = this.session.tokens?.accessToken;
    if (!token) return;
    try {
      const answer = await this.post(ME, { token });
      if (isEnded(answer)) this.session.close(SIGNED_OUT, token);
      const me = answer.body.data?.["me"];
      if (isRecord(me) && typeof me["username"] === "string") {
        this.session.name(me["username"], token);
      }
    } catch (error) {
      // The next request finds out.
      if (!(error instanceof UnreachableError)) throw error;
    }
  }
}

function isIntrospection({ roots }: Operation): boolean {
  return [...roots].every((name) => name.startsWith("__"));
}
