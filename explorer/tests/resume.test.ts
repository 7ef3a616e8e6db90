import { parse, print } from "graphql";
import { expect, test } from "vitest";

import { readOperation } from "../src/operation.ts";
import { Resumable } from "../src/resume.ts";

function feed(query: string, variables?: Record<string, unknown>) {
  const operation = readOperation(query);
  if (!operation) throw new Error("no operation");
  return new Resumable(operation, { query, variables });
}

const same = (query: string, expected: string) => expect(query).toBe(print(parse(expected)));
const event = (cursor: string) => ({ data: { tweetFeed: { kind: "TWEETED", resumeCursor: cursor } } });

test("the first request is unchanged except for the added cursor", () => {
  same(
    feed("subscription Mine { tweetFeed { kind } }").next().query,
    "subscription Mine { tweetFeed { kind resumeCursor: cursor } }",
  );
});

test("the added cursor is not shown", () => {
  const shown = feed("subscription { tweetFeed { kind } }").take(event("1"));
  expect(shown).toEqual({ data: { tweetFeed: { kind: "TWEETED" } } });
});

test("the next request resumes after the last event", () => {
  const resumable = feed('subscription { f: tweetFeed(after: "0") { kind } }');
  resumable.take({ data: { f: { kind: "TWEETED", resumeCursor: 'a"b' } } });
  same(
    resumable.next().query,
    'subscription { f: tweetFeed(after: "a\\"b") { kind resumeCursor: cursor } }',
  );
});

test("the cursor is passed by the variable of `after`", () => {
  const query = "subscription ($a: String) { tweetFeed(after: $a) { kind } }";
  const resumable = feed(query, { a: "0", other: 1 });
  expect(resumable.next().variables).toEqual({ a: "0", other: 1 });
  resumable.take(event("1"));
  const next = resumable.next();
  expect(next.variables).toEqual({ a: "1", other: 1 });
  same(
    next.query,
    "subscription ($a: String) { tweetFeed(after: $a) { kind resumeCursor: cursor } }",
  );
});

test("a repeated event is not shown again", () => {
  const resumable = feed("subscription { tweetFeed { kind } }");
  expect(resumable.take(event("1"))).not.toBeNull();
  expect(resumable.take(event("1"))).toBeNull();
  expect(resumable.take(event("2"))).not.toBeNull();
});

test("another subscription is unchanged", () => {
  const resumable = feed("subscription { ticks }");
  same(resumable.next().query, "subscription { ticks }");
  expect(resumable.take({ data: { ticks: 1 } })).toEqual({ data: { ticks: 1 } });
});
