import { expect, test } from "vitest";

import { explain } from "../src/explain.ts";
import { readOperation } from "../src/operation.ts";
import { answer } from "./world.ts";

const SIGN_UP = `mutation { s: signUp(input: {}) {
  ... on Error { m: message } ... on InvalidInputError { problems { field message } } } }`;

test("a successful response has no notice", () => {
  const query = "mutation { createTweet { ... on Tweet { id text } ... on Error { message } } }";
  const data = { createTweet: { id: "1", text: "Hello" } };
  expect(explain(answer(200, { data }), readOperation(query))).toBeNull();
});

test("an expected error names the fields", () => {
  const data = {
    s: { m: "Check what you typed.", problems: [{ field: "email", message: "No address." }] },
  };
  expect(explain(answer(200, { data }), readOperation(SIGN_UP))).toMatchObject({
    title: "Check what you typed.",
    details: [{ where: "email", text: "No address." }],
  });
});

test("an error without a selected message is named by its type", () => {
  const query = "mutation { retweet(tweetId: 1) { __typename } }";
  const data = { retweet: { __typename: "TweetNotFoundError" } };
  expect(explain(answer(200, { data }), readOperation(query))?.title).toContain("TweetNotFoundError");
});

test("an anonymous user is asked to sign in", () => {
  const errors = [
    { message: "Sign in first.", path: ["createTweet"], extensions: { code: "UNAUTHENTICATED" } },
  ];
  expect(explain(answer(200, { errors }), null)).toMatchObject({
    details: [{ where: "createTweet", text: "Sign in first." }],
    offer: "sign-in",
  });
});

test.each(["SESSION_ENDED", "EXPIRED", "INVALID"])("a refused token is explained: %s", (reason) => {
  const errors = [{ message: "Why it is.", extensions: { code: "UNAUTHENTICATED", reason } }];
  const notice = explain(answer(401, { errors }), null);
  expect(notice).toMatchObject({ title: "Why it is.", offer: "sign-in" });
  expect(notice?.advice?.includes("Remove the header")).toBe(reason === "INVALID");
});

test("an unavailable service behind the edge is reported", () => {
  const errors = [{ message: "A service that this needs does not answer." }];
  expect(explain(answer(503, { errors }), null)).toMatchObject({
    title: "A service that this needs does not answer.",
    offer: "health",
  });
});

test("an unavailable subgraph and the missing fields are named", () => {
  const errors = [
    {
      message: "HTTP fetch failed from 'tweets': tcp connect error",
      path: ["me", "tweets"],
      extensions: { code: "SUBREQUEST_HTTP_ERROR" },
    },
  ];
  expect(explain(answer(200, { data: { me: null }, errors }), null)).toMatchObject({
    title: "The service tweets does not answer.",
    details: [{ where: "me.tweets" }],
    offer: "health",
  });
});

test("a refusal by a subgraph is not an unavailable service", () => {
  const errors = [
    {
      message: "HTTP fetch failed from 'tweets': 400: Bad Request",
      extensions: { code: "SUBREQUEST_HTTP_ERROR" },
    },
    {
      message: "The operation has 31 aliases; 30 are allowed.",
      extensions: { code: "GRAPHQL_VALIDATION_FAILED" },
    },
  ];
  expect(explain(answer(200, { data: null, errors }), null)).toMatchObject({
    title: "The operation does not match the schema.",
    details: [{ text: "The operation has 31 aliases; 30 are allowed." }],
  });
});

test("an error in the operation has its line and column", () => {
  const errors = [{ message: "No.", locations: [{ line: 2, column: 3 }] }];
  expect(explain(answer(400, { errors }), null)?.details).toEqual([
    { where: "line 2, column 3", text: "No." },
  ]);
});

test("an invalid variable is named", () => {
  const extensions = { name: "input", code: "VALIDATION_INVALID_TYPE_VARIABLE" };
  const errors = [{ message: "missing variable", extensions }];
  expect(explain(answer(400, { errors }), null)?.details[0]?.where).toBe("$input");
});

test("an unknown tweet is reported", () => {
  const operation = readOperation("query ($id: ID!) { tweet(id: $id) { text } }");
  expect(explain(answer(200, { data: { tweet: null } }), operation)).toMatchObject({
    title: "There is no such tweet.",
  });
  expect(explain(answer(200, { data: { tweet: { text: "Hi" } } }), operation)).toBeNull();
});

test("an unsubscribed address is reported with the remedy", () => {
  const operation = readOperation(
    "mutation { updateEmailSettings(input: {}) { retweets addressUnsubscribed } }",
  );
  const settings = (addressUnsubscribed: boolean) =>
    answer(200, { data: { updateEmailSettings: { retweets: false, addressUnsubscribed } } });
  expect(explain(settings(true), operation)?.advice).toContain("link");
  expect(explain(settings(false), operation)).toBeNull();
});
