/** The device tokens of this browser. A sign-in with one is not counted among those of strangers. */

const KEY = "chirp.devices";
/** The login of the token that a reset of the password has left, for the next sign-in. */
const NEXT = "";
const MOST = 20;
/** In the fragment of the link on the page after a reset; a fragment is never sent to a server. */
const LEFT = /^#device=([\w-]{64})$/;

export class Devices {
  constructor(private readonly storage: Pick<Storage, "getItem" | "setItem">) {}

  /**
   * Returns the token to send with a sign-in: another user's is ignored by the server. The one that
   * a page left is used once, because any site may link here with one.
   */
  tokenFor(login: string): string | null {
    const kept = this.#kept();
    const left = kept.get(NEXT);
    if (left === undefined) return kept.get(keyOf(login)) ?? null;
    kept.delete(NEXT);
    this.#store(kept);
    return left;
  }

  /** Keeps the newest token of a user, under each of their logins. */
  keep(token: string, ...logins: string[]): void {
    const kept = this.#kept();
    for (const login of logins.map(keyOf)) {
      kept.delete(login);
      kept.set(login, token);
    }
    if (!logins.includes(NEXT)) kept.delete(NEXT);
    this.#store(kept);
  }

  /** Keeps the token in a page's fragment. Returns whether there was one. */
  take(fragment: string): boolean {
    const token = LEFT.exec(fragment)?.[1];
    if (token) this.keep(token, NEXT);
    return token !== undefined;
  }

  #store(kept: Map<string, string>): void {
    this.storage.setItem(KEY, JSON.stringify([...kept].slice(-MOST)));
  }

  #kept(): Map<string, string> {
    const text = this.storage.getItem(KEY);
    return new Map(text ? (JSON.parse(text) as [string, string][]) : []);
  }
}

function keyOf(login: string): string {
  return login.trim().toLowerCase();
}
