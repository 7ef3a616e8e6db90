/** Whether the address of the signed-in user is verified, and how the bar verifies it. */

import { refusalOf, type Refusal } from "./account.ts";
import { type Answer, isRecord, type Post, type Request, UnreachableError } from "./api.ts";
import type { Operation } from "./operation.ts";
import type { Session } from "./session.ts";
import { serves } from "./services.ts";
import { sendSigned } from "./signed.ts";
import { Store } from "./store.ts";

const PROBLEM = "... on Error { message }";
const VERIFY = `mutation VerifyEmail($code: String!) { verifyEmail(code: $code) {
  __typename ${PROBLEM} } }`;
const REQUEST = `mutation RequestEmailVerification { requestEmailVerification {
  __typename ${PROBLEM} } }`;

export interface Address {
  email: string;
  isVerified: boolean;
  /** When the mail server refused the address for good; null if not, or if verified since. */
  undeliverableSince: string | null;
}

export function needsVerification({ isVerified, undeliverableSince }: Address): boolean {
  return !isVerified || undeliverableSince !== null;
}

export class AddressWatch {
  /** Null while it is not known, or no user is signed in. */
  readonly state = new Store<Address | null>(null);
  #username: string | null = null;

  constructor(
    private readonly post: Post,
    private readonly session: Session,
  ) {
    session.state.subscribe(() => void this.#follow());
    void this.#follow();
  }

  /** Reads the address again. */
  async look(): Promise<void> {
    const before = this.session.tokens?.username ?? null;
    const found = before === null ? null : await this.#read();
    if ((this.session.tokens?.username ?? null) === before) this.state.set(found);
  }

  /** Looks again after an operation that may have verified the address. */
  async after(operation: Operation): Promise<void> {
    if (operation.kind === "mutation" && operation.roots.has("verifyEmail")) await this.look();
  }

  /** Looks again when the user returns to the window, perhaps from the link in the mail. */
  async returned(): Promise<void> {
    const known = this.state.get();
    if (known && needsVerification(known)) await this.look();
  }

  /** Verifies the address with the short code of a mail. Returns null on success. */
  async verify(code: string): Promise<Refusal | null> {
    const refused = await this.#run(VERIFY, "verifyEmail", "EmailVerified", { code });
    if (refused) return refused;
    await this.look();
    // The verification ends a refusal, but the notifier may not have its event yet.
    const known = this.state.get();
    if (known) this.state.set({ ...known, undeliverableSince: null });
    return null;
  }

  /** Has another code mailed. Returns null on success. */
  async mailAgain(): Promise<Refusal | null> {
    return this.#run(REQUEST, "requestEmailVerification", "CodeRequested", {});
  }

  /** Looks when another user has signed in, not at each renewal of the token. */
  async #follow(): Promise<void> {
    const username = this.session.tokens?.username ?? null;
    if (username === this.#username) return;
    this.#username = username;
    this.state.set(null);
    await this.look();
  }

  async #read(): Promise<Address | null> {
    const settings = serves("notifier") ? "emailSettings { undeliverableSince }" : "";
    try {
      const { body } = await this.#send({ query: `{ me { email emailVerified ${settings} } }` });
      const me = body.data?.["me"];
      // A session without the scope account:read does not see them.
      if (!isRecord(me) || typeof me["email"] !== "string") return null;
      const since = isRecord(me["emailSettings"]) && me["emailSettings"]["undeliverableSince"];
      return {
        email: me["email"],
        isVerified: me["emailVerified"] === true,
        undeliverableSince: typeof since === "string" ? since : null,
      };
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      return null;
    }
  }

  async #run(
    query: string,
    field: string,
    success: string,
    variables: Record<string, unknown>,
  ): Promise<Refusal | null> {
    const { body } = await this.#send({ query, variables });
    const result = body.data?.[field];
    return isRecord(result) && result["__typename"] === success ? null : refusalOf(body, field);
  }

  async #send(request: Request): Promise<Answer> {
    return (await sendSigned(this.post, this.session, request)).answer;
  }
}
