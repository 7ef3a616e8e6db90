/** GraphiQL's history and favourites: kept in the browser, without secrets, shared by its windows. */

import { isRecord } from "./api.ts";
import { withoutSecrets } from "./secrets.ts";

/** An entry, as GraphiQL stores it. */
interface Entry {
  query: string;
  variables?: string;
  operationName?: string;
  label?: string;
  favorite?: boolean;
}

/** The most entries of each list. */
const MOST = { queries: 20, favorites: 200 };
type List = keyof typeof MOST;

/** Of the keys under which GraphiQL stores. */
export const PREFIX = "graphiql:";

export class EditorHistory {
  /** The entries that this window has read or written: those that it leaves out were deleted in it. */
  readonly #known = new Set<string>();

  constructor(private readonly storage: Pick<Storage, "getItem" | "setItem">) {}

  /** Returns whether a key of GraphiQL's storage belongs to the history. */
  has(key: string): boolean {
    return listOf(key) !== null;
  }

  getItem(key: string): string | null {
    const list = listOf(key);
    if (list === null) return null;
    const entries = this.#read(list);
    entries.forEach((entry) => this.#known.add(keyOf(list, entry)));
    return written(list, entries);
  }

  /** Stores the entries of this window beside those of other windows. */
  setItem(key: string, text: string): void {
    const list = listOf(key);
    if (list === null) return;
    const own = entriesIn(list, text).flatMap((entry) => cleaned(entry) ?? []);
    const others = this.#read(list).filter((entry) => !this.#known.has(keyOf(list, entry)));
    const entries = new Map<string, Entry>();
    for (const entry of [...others, ...own]) {
      const id = keyOf(list, entry);
      entries.delete(id); // the last one of equal entries is the newest
      entries.set(id, entry);
    }
    own.forEach((entry) => this.#known.add(keyOf(list, entry)));
    this.storage.setItem(key, written(list, [...entries.values()].slice(-MOST[list])));
  }

  #read(list: List): Entry[] {
    return entriesIn(list, this.storage.getItem(PREFIX + list) ?? "");
  }
}

function listOf(key: string): List | null {
  if (key === `${PREFIX}queries`) return "queries";
  return key === `${PREFIX}favorites` ? "favorites" : null;
}

function keyOf(list: List, { query, variables, operationName }: Entry): string {
  return JSON.stringify([list, query, variables, operationName]);
}

/** Returns the entry without secrets and headers; null if its document cannot be read. */
function cleaned({ query, variables, operationName, label, favorite }: Entry): Entry | null {
  const kept = withoutSecrets({ query, variables: variables ?? null });
  return (
    kept && {
      query: kept.query,
      ...(kept.variables === null ? {} : { variables: kept.variables }),
      ...(operationName === undefined ? {} : { operationName }),
      ...(label === undefined ? {} : { label }),
      ...(favorite === undefined ? {} : { favorite }),
    }
  );
}

function entriesIn(list: List, text: string): Entry[] {
  try {
    const stored: unknown = JSON.parse(text);
    const entries = isRecord(stored) ? stored[list] : null;
    const isEntry = (entry: unknown): boolean => isRecord(entry) && typeof entry["query"] === "string";
    return Array.isArray(entries) ? (entries.filter(isEntry) as Entry[]) : [];
  } catch {
    return [];
  }
}

function written(list: List, entries: readonly Entry[]): string {
  return JSON.stringify({ [list]: entries });
}
