import { expect, test } from "vitest";

import { readOperation, Selected } from "../src/operation.ts";

const read = (query: string, name?: string) => {
  const operation = readOperation(query, name);
  if (!operation) throw new Error("no operation");
  return operation;
};

test("an invalid document or a missing operation gives null", () => {
  expect(readOperation("query {")).toBeNull();
  expect(readOperation("query A { a } query B { b }")).toBeNull();
  expect(readOperation("query A { a }", "B")).toBeNull();
});

test("the named operation is read", () => {
  const operation = read("query A { a } mutation B { b }", "B");
  expect([operation.kind, ...operation.roots]).toEqual(["mutation", "b"]);
});

test("a field is found by alias, in fragments and in merged selections", () => {
  const operation = read(`
    query { x: me { ...F } x: me { mail: email } }
    fragment F on User { ... on User { n: username } }
  `);
  const me = Selected.of(operation, { x: { n: "ada", mail: "a@b.c" } }).child("me");
  expect([me?.text("username"), me?.text("email")]).toEqual(["ada", "a@b.c"]);
});

test("every alias of a field is found", () => {
  const operation = read("{ a: tweet(id: 1) { id } b: tweet(id: 2) { id } }");
  const found = Selected.of(operation, { a: { id: "1" }, b: { id: "2" } }).all("tweet");
  expect(found.map((tweet) => tweet.text("id"))).toEqual(["1", "2"]);
});

test("cyclic fragments end", () => {
  const operation = read("{ ...A } fragment A on Q { a ...B } fragment B on Q { b ...A }");
  expect([...operation.roots]).toEqual(["a", "b"]);
});
