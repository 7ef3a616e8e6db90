import { expect, test } from "vitest";

import { linkTo, sharedOperation } from "../src/share.ts";

const QUERY = "# Ünïcode & signs\nquery Tweet($id: ID!) { tweet(id: $id) { text } }\n";
const VARIABLES = '{\n  "id": "1+1 = 2 #&?"\n}';

test.each([null, VARIABLES])("the operation of a link is that of its maker (variables: %s)", (variables) => {
  const link = new URL(linkTo("http://localhost/", { query: QUERY, variables }));
  expect(sharedOperation(link.hash)).toEqual({ query: QUERY, variables });
});

test("no part of the operation is sent to a server", () => {
  const link = new URL(linkTo("http://localhost/", { query: QUERY, variables: VARIABLES }));
  expect([link.pathname, link.search]).toEqual(["/", ""]);
});

test("blank variables are left out", () => {
  expect(linkTo("/", { query: "{ me { id } }", variables: " \n" })).not.toContain("variables");
});

test.each(["", "#", "#device=x", "#query=", "#query=%20", "#variables=%7B%7D"])(
  "the fragment %s has no operation",
  (fragment) => expect(sharedOperation(fragment)).toBeNull(),
);
