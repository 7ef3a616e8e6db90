import { expect, test } from "vitest";

import { readOperation } from "../src/operation.ts";
import { tweetIn, withTweet } from "../src/seen.ts";

test.each([
  ["mutation { createTweet { ... on Tweet { id } } }", { createTweet: { id: "1" } }],
  ["{ found: tweet(id: 1) { key: id } }", { found: { key: "1" } }],
  ["subscription { tweetFeed { tweet { id } } }", { tweetFeed: { tweet: { id: "1" } } }],
  ["{ myTweets { edges { node { id } } } }", { myTweets: { edges: [{ node: { id: "1" } }, { node: { id: "2" } }] } }],
])("the newest tweet of a response is found: %s", (query, data) => {
  const operation = readOperation(query);
  expect(operation && tweetIn(operation, data)).toBe("1");
});

test.each([
  ["{ me { id } }", { me: { id: "1" } }],
  ["{ myTweets { edges { node { id } } } }", { myTweets: { edges: [] } }],
  ["{ tweet(id: 1) { text } }", { tweet: { text: "Hi" } }],
])("a response without the id of a tweet has none: %s", (query, data) => {
  const operation = readOperation(query);
  expect(operation && tweetIn(operation, data)).toBeNull();
});

test("an id replaces an empty one and an earlier offer, nothing that was typed", () => {
  const filled = JSON.stringify({ tweetId: "2" }, null, 2);
  expect(withTweet('{ "tweetId": "" }', "2", null)).toBe(filled);
  expect(withTweet('{ "tweetId": "1" }', "2", "1")).toBe(filled);
  expect(withTweet('{ "tweetId": "typed" }', "2", "1")).toBeNull();
  expect(withTweet("{ not JSON", "2", null)).toBeNull();
});
