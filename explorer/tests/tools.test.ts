import { expect, test } from "vitest";

import type { Answer, Request } from "../src/api.ts";
import { curl, shortened } from "../src/curl.ts";
import { readOperation } from "../src/operation.ts";
import { queryPlan } from "../src/plan.ts";
import { sizeOf, transferOf } from "../src/transfer.ts";
import { answer } from "./world.ts";

const REQUEST = { query: "{\n  a(text: \"it's $HOME\") }", variables: { n: 1 } };

test("a shell expands nothing in the request but the token", () => {
  expect(curl("http://localhost:4000/graphql", REQUEST, "$TOKEN", false)).toBe(
    [
      "curl 'http://localhost:4000/graphql' \\",
      "  -H 'content-type: application/json' \\",
      '  -H "authorization: Bearer $TOKEN" \\',
      String.raw`  -d '{"query":"{\n  a(text: \"it'\''s $HOME\") }","variables":{"n":1}}'`,
    ].join("\n"),
  );
});

test("no token gives no header", () => {
  expect(curl("http://localhost/graphql", REQUEST, null, false)).not.toContain("authorization");
});

test("a subscription asks for events and is not buffered", () => {
  const command = curl("http://localhost/graphql", REQUEST, null, true);
  expect(command).toMatch(/^curl -N /);
  expect(command).toContain("-H 'accept: text/event-stream'");
});

test("a shortened token cannot be used", () => {
  expect(shortened(`eyJhbGci${"x".repeat(300)}wxyz`)).toBe("eyJhbGci…wxyz");
  expect(shortened("short-token")).toBe("…");
});

/** A router that shows plans, or not; `seen` has the queries that it got. */
function router(shows: boolean, reply: Answer["body"] = {}) {
  const seen: string[] = [];
  const send = async ({ query }: Request, headers: Record<string, string>): Promise<Answer> => {
    expect(headers).toEqual({ "apollo-expose-query-plan": "dry-run" });
    seen.push(query);
    const extensions = shows ? { apolloQueryPlan: { text: `plan of ${query}` } } : {};
    return answer(200, { extensions, ...(query.includes("me") ? {} : reply) });
  };
  const ask = (query: string) => queryPlan(send, { query }, readOperation(query));
  return { ask, seen };
}

test("the plan is shown as the router writes it", async () => {
  const { ask } = router(true);
  expect(await ask("mutation { a }")).toEqual({ is: "plan", text: "plan of mutation { a }" });
});

test("a router that shows no plans never gets the operation, which it would run", async () => {
  const { ask, seen } = router(false);
  expect(await ask("mutation { a }")).toMatchObject({ is: "none" });
  expect(seen).toEqual(["{ me { __typename } }"]);
});

test("a subscription is not sent", async () => {
  const { ask, seen } = router(true);
  expect(await ask("subscription { a }")).toMatchObject({ is: "none" });
  expect(seen).toEqual([]);
});

test("an operation that cannot be planned is explained", async () => {
  const { ask } = router(true, { extensions: {}, errors: [{ message: "No field x." }] });
  expect(await ask("{ x }")).toEqual({ is: "none", why: "No field x." });
});

const transfer = (headers: Record<string, string>) =>
  transferOf({ status: 200, headers: new Headers(headers) }, "é", 12.4);

test("the transfer has status, time, size and the id of the request", () => {
  expect(transfer({ "x-request-id": "r1" })).toEqual({
    status: 200,
    milliseconds: 12,
    bytes: 2,
    requestId: "r1",
    traceId: null,
  });
});

const TRACE = "0af7651916cd43dd8448eb211c80319c";

test.each([
  [`00-${TRACE}-b7ad6b7169203331-01`, TRACE],
  [`00-${TRACE}-b7ad6b7169203331-00`, null],
  ["nonsense", null],
])("of traces only those that are recorded are named: %s", (traceresponse, traceId) => {
  expect(transfer({ traceresponse }).traceId).toBe(traceId);
});

test.each([
  [999, "999 B"],
  [1000, "1.0 kB"],
  [12345, "12.3 kB"],
])("%i bytes are %s", (bytes, text) => expect(sizeOf(bytes)).toBe(text));
