import { buildSchema, parse, validate } from "graphql";
import { expect, test } from "vitest";

import supergraph from "../../router/supergraph.graphql?raw";
import { readOperation } from "../src/operation.ts";
import { STORY } from "../src/story.ts";

const schema = buildSchema(supergraph, { assumeValid: true });

const named = STORY.map((tab) => [/(?:query|mutation|subscription) (\w+)/.exec(tab.query)?.[1], tab]);

test.each(named)("the tab %s fits the supergraph", (_, tab) => {
  if (typeof tab !== "object") throw new Error("no tab");
  expect(validate(schema, parse(tab.query)).map(String)).toEqual([]);
  const kind = readOperation(tab.query)?.definition.operation;
  expect(kind && schema.getRootType(kind)).toBeTruthy();
  expect(typeof JSON.parse(tab.variables ?? "{}")).toBe("object");
});
