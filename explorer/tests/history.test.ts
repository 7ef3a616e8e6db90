import { expect, test } from "vitest";

import { EditorHistory } from "../src/history.ts";
import { Kept } from "./world.ts";

const QUERIES = "graphiql:queries";
const FAVORITES = "graphiql:favorites";

const list = (...queries: string[]): string =>
  JSON.stringify({ queries: queries.map((query) => ({ query })) });
const stored = (history: EditorHistory): unknown[] =>
  (JSON.parse(history.getItem(QUERIES) ?? "") as { queries: { query: string }[] }).queries.map(
    ({ query }) => query,
  );

test("only the history and the favourites of GraphiQL are kept", () => {
  const history = new EditorHistory(new Kept());
  expect([QUERIES, FAVORITES, "graphiql:tabState", "queries"].map((key) => history.has(key))).toEqual(
    [true, true, false, false],
  );
});

test("entries are kept without secrets and without headers", () => {
  const storage = new Kept();
  const entry = {
    query: 'mutation M($p: String!) { a(password: $p, code: "1234") { id } }',
    variables: '{"p": "correct horse"}',
    headers: '{"authorization": "Bearer abc"}',
    operationName: "M",
    label: "Mine",
    favorite: true,
  };
  new EditorHistory(storage).setItem(FAVORITES, JSON.stringify({ favorites: [entry] }));
  expect(JSON.parse(storage.getItem(FAVORITES) ?? "")).toEqual({
    favorites: [
      {
        query: 'mutation M($p: String!) { a(password: $p, code: "") { id } }',
        variables: '{\n  "p": ""\n}',
        operationName: "M",
        label: "Mine",
        favorite: true,
      },
    ],
  });
});

test("entries that differ in a secret only are one, the newest", () => {
  const history = new EditorHistory(new Kept());
  history.setItem(QUERIES, list('{ a(code: "1") }', "{ b }", '{ a(code: "2") }'));
  expect(stored(history)).toEqual(["{ b }", '{ a(code: "") }']);
});

test("windows do not remove the entries of each other", () => {
  const storage = new Kept();
  const [one, other] = [new EditorHistory(storage), new EditorHistory(storage)];
  one.setItem(QUERIES, list("{ a }"));
  other.setItem(QUERIES, list("{ b }"));
  one.setItem(QUERIES, list("{ a }", "{ c }"));
  expect(stored(new EditorHistory(storage))).toEqual(["{ b }", "{ a }", "{ c }"]);
});

test("an entry that was deleted does not come back", () => {
  const storage = new Kept();
  const history = new EditorHistory(storage);
  history.setItem(QUERIES, list("{ a }", "{ b }"));
  history.setItem(QUERIES, list("{ b }"));
  expect(stored(new EditorHistory(storage))).toEqual(["{ b }"]);
});

test("twenty entries are kept, the newest", () => {
  const history = new EditorHistory(new Kept());
  history.setItem(QUERIES, list(...Array.from({ length: 25 }, (_, index) => `{ a${index} }`)));
  expect(stored(history)).toHaveLength(20);
  expect(stored(history).at(-1)).toBe("{ a24 }");
});

test("stored text that is not a history counts as none", () => {
  const storage = new Kept();
  storage.setItem(QUERIES, '{"queries": [1, {"query": null}]');
  expect(stored(new EditorHistory(storage))).toEqual([]);
});
