// Apollo Client 4 with automatic persisted queries: the hash first, the document when asked for.
import { createHash } from "node:crypto"; // in a browser: crypto-hash
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import * as apollo from "./apollo.mjs";

export function connect(url, session) {
  const sha256 = (text) => createHash("sha256").update(text).digest("hex");
  return apollo.connect(url, session, (http) => new PersistedQueryLink({ sha256 }).concat(http));
}
