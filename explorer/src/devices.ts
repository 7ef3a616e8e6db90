/** The device tokens of this browser. A sign-in with one is not counted among those of strangers. */

const KEY = "chirp.devices";
/** The login of the token that a reset of the password has left, for the next sign-in. */
const NEXT = "";
const MOST = 20;
/** In the fragment of the link on the page after a reset; a fragment is never sent to a server. */
const LEFT = /^#device=([\w-]{64})$/;

export class Devices {
  constructor(private readonly storage: Pick<Storage, "getItem" | "setItem">) {}

  /** Returns the token to send with a sign-in: another user's is ignored by the server. */
  tokenFor(login: string): string | null {
    const kept = this.#kept();
    return kept.get(NEXT) ?? kept.get(keyOf(login)) ?? null;
  }

  /** Keeps the newest token of a user, under each of their logins. */
  keep(token: string, ...logins: string[]): void {
    const kept = this.#kept();
    for (const login of logins.map(keyOf)) {
      kept.delete(login);
      kept.set(login, token);
    }
    if (!logins.includes(NEXT)) kept.delete(NEXT);
    this.storage.setItem(KEY, JSON.stringify([...kept].slice(-MOST)));
  }

  /** Keeps the token in a page's fragment. Returns whether there was one. */
  take(fragment: string): boolean {
    const token = LEFT.exec(fragment)?.[1];
    if (token) this.keep(token, NEXT);
    return token !== undefined;
  }

  #kept(): Map<string, string> {
    const text = this.storage.getItem(KEY);
    return new Map(text ? (JSON.parse(text) as [string, string][]) : []);
  }
}

function keyOf(login: string): string {
  return login.trim().toLowerCase();
}
