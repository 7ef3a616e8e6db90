import { buildSchema, parse, validate } from "graphql";
import { expect, test } from "vitest";

import supergraph from "../../router/supergraph.graphql?raw";
import { readOperation } from "../src/operation.ts";
import { missingFrom, PARTS, STORY, titleOf, withStory } from "../src/story.ts";
import { subgraphs } from "./world.ts";

const schema = buildSchema(supergraph, { assumeValid: true });

// A fork may have removed a service; its tabs are not shown.
const composed = subgraphs(supergraph);
const named = PARTS.filter(([service]) => composed.includes(service)).map(
  ([, tab]) => [/(?:query|mutation|subscription) (\w+)/.exec(tab.query)?.[1], tab] as const,
);

test("the tabs are numbered", () => {
  expect(STORY.map(({ query }) => /^# (\d+)\. /.exec(query)?.[1])).toEqual(
    PARTS.map((_, index) => String(index + 1)),
  );
});

test.each(named)("the tab %s fits the supergraph", (_, tab) => {
  if (typeof tab !== "object") throw new Error("no tab");
  expect(validate(schema, parse(tab.query)).map(String)).toEqual([]);
  const kind = readOperation(tab.query)?.definition.operation;
  expect(kind && schema.getRootType(kind)).toBeTruthy();
  expect(typeof JSON.parse(tab.variables ?? "{}")).toBe("object");
});

test("a comment is one line, which the editor wraps", () => {
  for (const { query } of STORY) expect(query.match(/^#/gm)).toHaveLength(1);
});

test("closed tabs return to their places", () => {
  const order = STORY.map(titleOf);
  const kept = ["Own", ...order.filter((_, index) => index !== 0 && index !== 3 && index !== 11)];
  const missing = missingFrom(kept);
  expect(missing.map(titleOf)).toEqual([order[0], order[3], order[11]].filter(Boolean));
  const all = withStory(
    kept.map((title) => ({ title })),
    missing.map((tab) => ({ title: titleOf(tab) })),
    order,
  );
  expect(all.map(({ title }) => title).filter((title) => title !== "Own")).toEqual(order);
});
