import { expect, test } from "vitest";

import type { Answer } from "../src/api.ts";
import { explain as explainResponse, explainUnsent } from "../src/explain.ts";
import { type Operation, readOperation } from "../src/operation.ts";
import { answer } from "./world.ts";

const ONE = "{ me { username } }";

function explain(response: Answer, operation: Operation | null, query = ONE) {
  return explainResponse(response, operation, query);
}

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

const LIMIT = { code: "GRAPHQL_VALIDATION_FAILED", reason: "LIMIT_EXCEEDED" };
const REFUSED_FETCH = {
  message: "HTTP fetch failed from 'tweets': 400: Bad Request",
  extensions: { code: "SUBREQUEST_HTTP_ERROR" },
};

test.each([
  [200, [REFUSED_FETCH, { message: "The operation has 31 aliases; 30 are allowed.", extensions: LIMIT }]],
  [400, [{ message: "The operation takes 21 fetches from subgraphs; 20 are allowed.", extensions: LIMIT }]],
  [413, [{ message: "The request body has 300000 bytes; 262144 are allowed.", extensions: LIMIT }]],
])("an exceeded limit is the sender's, with its figures: %i", (status, errors) => {
  const notice = explain(answer(status, { errors }), null);
  expect(notice?.title).toBe("The request exceeds a limit.");
  expect(notice?.details).toEqual([{ where: null, text: errors.at(-1)?.message }]);
  expect(notice?.offer).toBeUndefined();
});

test.each([
  [`{ ${"a ".repeat(2001)}}`, "The document has 2003 tokens; 2000 are allowed."],
  [`${"{ a ".repeat(120)}${"}".repeat(120)}`, "The document has 120 levels of brackets; 100 are allowed."],
])("a limit that the router reports without a figure is counted", (query, text) => {
  const errors = [
    { message: "syntax error: token limit reached", extensions: { code: "PARSING_ERROR" } },
  ];
  expect(explain(answer(400, { errors }), null, query)?.details).toEqual([{ where: null, text }]);
});

test("a syntax error is not a limit", () => {
  const errors = [{ message: "syntax error: expected }", extensions: { code: "PARSING_ERROR" } }];
  expect(explain(answer(400, { errors }), null, "{ a ")?.title).toContain("syntax error");
});

test.each([
  [400, [REFUSED_FETCH]],
  [405, [{ message: "A GraphQL request is a GET or a POST.", extensions: { code: "METHOD_NOT_ALLOWED" } }]],
  [415, [{ message: "No.", extensions: { code: "UNSUPPORTED_MEDIA_TYPE" } }]],
])("any other refusal is not an outage either: %i", (status, errors) => {
  const notice = explain(answer(status, { errors }), null);
  expect(notice?.title).toBe("Chirp refused this request.");
  expect(notice?.offer).toBeUndefined();
});

test.each(["", "# a comment", "fragment F on User { username }"])(
  "a document without an operation is not compared with the schema: %j",
  (query) => {
    const errors = [{ message: "Syntax Error", extensions: { code: "PARSING_ERROR" } }];
    expect(explain(answer(400, { errors }), null, query)?.title).toBe("There is no operation to run.");
  },
);

test("a document with several operations asks which one", () => {
  const errors = [{ message: "No.", extensions: { code: "GRAPHQL_VALIDATION_FAILED" } }];
  const query = "query A { a } query B { b }";
  expect(explain(answer(400, { errors }), null, query)?.title).toContain("Which of the 2");
});

test("variables that are not JSON are explained", () => {
  const message = "Request not sent. Variables are invalid JSON: expected a value at line 1, column 2.";
  const response = JSON.stringify({ errors: [{ message }] }, null, 2);
  expect(explainUnsent(response)?.details[0]?.text).toMatch(/^Variables are invalid JSON/);
  expect(explainUnsent('{ "data": {} }')).toBeNull();
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
