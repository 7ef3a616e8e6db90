// Reads a mail from standard input and prints what mailauth thinks of its DKIM signatures.
// The one argument is the DNS record of the key.
import { readFileSync } from "node:fs";
import { dkimVerify } from "mailauth/lib/dkim/verify.js";

const { results } = await dkimVerify(readFileSync(0), {
  resolver: async (name) => (console.error(name), [[process.argv[2]]]),
});
console.log(
  JSON.stringify(
    results.map(({ status, signingDomain, selector, signingHeaders, algo }) => ({
      result: status.result,
      comment: status.comment ?? null,
      domain: signingDomain,
      selector,
      algorithm: algo,
      headers: (signingHeaders?.keys ?? "").split(":").map((name) => name.trim().toLowerCase()),
    })),
  ),
);
