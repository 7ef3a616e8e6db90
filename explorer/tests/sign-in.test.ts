import { expect, test } from "vitest";

import { readOperation } from "../src/operation.ts";
import { opensSession, outcomeOf, signsInWithBreachedPassword } from "../src/sign-in.ts";

const outcome = (query: string, data: unknown) => {
  const operation = readOperation(query);
  if (!operation) throw new Error("no operation");
  return outcomeOf(operation, data);
};

test.each(["signUp", "signIn", "refreshSession"])("%s signs in", (field) => {
  const query = `mutation { ${field} { ... on SignedIn {
    accessToken accessTokenExpiresAt refreshToken user { username } } } }`;
  const result = {
    accessToken: "a.b.c",
    accessTokenExpiresAt: "2026-01-01T00:00:00Z",
    refreshToken: "r",
    user: { username: "ada" },
  };
  expect(outcome(query, { [field]: result })).toEqual({
    is: "signed-in",
    who: {
      accessToken: "a.b.c",
      expiresAt: "2026-01-01T00:00:00Z",
      refreshToken: "r",
      username: "ada",
    },
  });
});

test("a sign-in is found behind aliases and fragments", () => {
  const query = `mutation { s: signIn { ...S } }
    fragment S on SignedIn { t: accessToken u: user { n: username } }`;
  expect(outcome(query, { s: { t: "a.b.c", u: { n: "ada" } } })).toMatchObject({
    who: { accessToken: "a.b.c", refreshToken: null, username: "ada" },
  });
});

test("a message under the alias of the token is not a token", () => {
  const query = `mutation { signIn {
    ... on SignedIn { x: accessToken } ... on Error { x: message } } }`;
  const data = { signIn: { x: "No such account, or not its password." } };
  expect(outcome(query, data)).toEqual({ is: "unchanged" });
});

test("a refused sign-in leaves the session unchanged", () => {
  const query = "mutation { signIn { ... on SignedIn { accessToken } ... on Error { message } } }";
  expect(outcome(query, { signIn: { message: "No." } })).toEqual({ is: "unchanged" });
  expect(outcome(query, null)).toEqual({ is: "unchanged" });
});

test("an accessToken field elsewhere does not sign in", () => {
  expect(outcome("{ accessToken }", { accessToken: "a.b.c" })).toEqual({ is: "unchanged" });
  const query = "mutation { other { accessToken } }";
  expect(outcome(query, { other: { accessToken: "a.b.c" } })).toEqual({ is: "unchanged" });
});

test("signOut signs out, under an alias too", () => {
  const query = "mutation { bye: signOut { sessionIds } }";
  expect(outcome(query, { bye: { sessionIds: ["1"] } })).toEqual({ is: "signed-out" });
  expect(outcome(query, null)).toEqual({ is: "unchanged" });
});

test.each([
  "signOutEverywhere",
  "revokeSession",
  "deleteAccount",
  "resetPassword",
  "restoreEmail",
  "reauthenticate",
])("%s may have ended the session: it is doubtful", (field) => {
  const data = { [field]: { __typename: "It" } };
  expect(outcome(`mutation { ${field} { __typename } }`, data)).toEqual({ is: "doubtful" });
});

test("reauthenticate replaces the tokens", () => {
  const query = "mutation { reauthenticate { ... on Reauthenticated { accessToken } } }";
  expect(outcome(query, { reauthenticate: { accessToken: "a.b.c" } })).toEqual({
    is: "reauthenticated",
    who: { accessToken: "a.b.c", expiresAt: null, refreshToken: null, username: null },
  });
});

test.each([
  ["mutation { x: signIn { __typename } }", true],
  ["mutation { ...F } fragment F on Mutation { refreshSession { __typename } }", true],
  ["mutation { createTweet { __typename } }", false],
  ["query { signIn }", false],
])("%s opens a session: %s", (query, expected) => {
  const operation = readOperation(query);
  expect(operation && opensSession(operation)).toBe(expected);
});

test.each([true, false])("a leaked password is noticed under any alias: %s", (leaked) => {
  const query = "mutation { me: signIn(input: {}) { ...on SignedIn { leaked: passwordBreached } } }";
  const operation = readOperation(query);
  expect(operation && signsInWithBreachedPassword(operation, { me: { leaked } })).toBe(leaked);
});
