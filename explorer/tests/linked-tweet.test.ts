import { buildSchema, parse, validate } from "graphql";
import { expect, test } from "vitest";

import supergraph from "../../router/supergraph.graphql?raw";
import { linkedTweet } from "../src/linked-tweet.ts";
import { subgraphs } from "./world.ts";

const ID = "01a203fc-0000-7000-8000-00000000abcd";

const testWithTweets = test.skipIf(!subgraphs(supergraph).includes("tweets"));

testWithTweets("the path of a tweet gives a tab that reads it", () => {
  const tab = linkedTweet(`/tweets/${ID}`);
  expect(JSON.parse(tab?.variables ?? "{}")).toEqual({ id: ID });
  const schema = buildSchema(supergraph, { assumeValid: true });
  expect(validate(schema, parse(tab?.query ?? "")).map(String)).toEqual([]);
});

testWithTweets("an id may be written in capitals or without hyphens, as the server takes it", () => {
  for (const id of [ID.toUpperCase(), ID.replaceAll("-", "")]) {
    expect(linkedTweet(`/tweets/${id}`)?.variables).toContain(id);
  }
});

test.each(["/", "/tweets", "/tweets/", "/tweets/x", `/tweets/${ID}/x`, `/x/tweets/${ID}`])(
  "%s is the page of no tweet",
  (path) => expect(linkedTweet(path)).toBeNull(),
);
