import { buildSchema, getNamedType, isInputObjectType, isObjectType, isScalarType } from "graphql";
import { expect, test } from "vitest";

import auth from "../../subgraphs/auth/schema.graphql?raw";
import { isSecret, withoutSecrets } from "../src/secrets.ts";
import { STORY } from "../src/story.ts";

/** The texts that auth takes and that may be kept. A new one belongs here or is a secret. */
const HARMLESS = new Set(["after", "email", "id", "login", "newEmail", "scopes", "username"]);

/** Returns the names of all arguments and input fields of auth that take a text. */
function texts(): Set<string> {
  const schema = buildSchema(auth, { assumeValid: true });
  const inputs = Object.values(schema.getTypeMap()).flatMap((type) => {
    if (type.name.startsWith("_")) return [];
    if (isInputObjectType(type)) return Object.values(type.getFields());
    return isObjectType(type) ? Object.values(type.getFields()).flatMap(({ args }) => args) : [];
  });
  const isText = (type: string): boolean => type === "String" || type === "ID";
  return new Set(
    inputs
      .filter(({ type }) => isScalarType(getNamedType(type)) && isText(getNamedType(type).name))
      .map(({ name }) => name),
  );
}

test("every text that auth takes is a secret, or known to be harmless", () => {
  const names = texts();
  const secrets = [...names].filter((name) => !HARMLESS.has(name));
  expect(secrets).toEqual(expect.arrayContaining(["code", "currentPassword", "refreshToken"]));
  expect(secrets.filter((name) => !isSecret(name))).toEqual([]);
  expect([...HARMLESS].filter(isSecret)).toEqual([]);
});

test.each(["text", "tweetId", "idempotencyKey", "barcode", "tokensLeft", "passwordHint"])(
  "%s is no secret",
  (name) => expect(isSecret(name)).toBe(false),
);

const clean = (query: string, variables: object | null = null) => {
  const result = withoutSecrets({ query, variables: variables && JSON.stringify(variables) });
  return { query: result?.query, variables: JSON.parse(result?.variables ?? "null") as unknown };
};

test("variables are secret by the argument that they are passed to, under any name", () => {
  const query = "mutation M($a: String!, $b: String!, $c: ID) { changePassword(currentPassword: $a, newPassword: $b) { __typename } x(id: $c) }";
  expect(clean(query, { a: "one", b: "two", c: "1" })).toEqual({ query, variables: { a: "", b: "", c: "1" } });
});

test("fields of input objects are secret at any depth; null stays null", () => {
  const query = "mutation M($input: SignInInput!) { signIn(input: $input) { __typename } }";
  const input = { login: "ada", password: "x", deviceToken: null, more: [{ code: ["1", "2"] }] };
  expect(clean(query, { input }).variables).toEqual({
    input: { login: "ada", password: "", deviceToken: null, more: [{ code: ["", ""] }] },
  });
});

test("variables that nothing uses are left out: they may be those of an operation with secrets", () => {
  const query = "query Q($first: Int, $current: String) { a(first: $first) { id } }";
  expect(clean(query, { current: "x", new: "y", first: 1 }).variables).toEqual({ first: 1 });
});

test.each([
  ['mutation { signIn(input: {login: "ada", password: "it\'s"}) { id } }', 'mutation { signIn(input: {login: "ada", password: ""}) { id } }'],
  ['mutation { verifyEmail(code: """1234\n5678""") { id } }', 'mutation { verifyEmail(code: "") { id } }'],
  ["mutation { verifyEmail(code: 12345678) { id } }", 'mutation { verifyEmail(code: "") { id } }'],
  ["mutation { verifyEmail(code: 1, code: hello) { id } }", 'mutation { verifyEmail(code: "", code: "") { id } }'],
  ['fragment F on Mutation { x: refreshSession(refreshToken: "a") { id } }', 'fragment F on Mutation { x: refreshSession(refreshToken: "") { id } }'],
  ['{ a(tokens: [{token: "t"}, "u"]) }', '{ a(tokens: [{token: ""}, ""]) }'],
])("literals are secret: %s", (query, expected) => expect(clean(query).query).toBe(expected));

test("default values of secret variables are secret", () => {
  const query = 'mutation M($p: String = "x", $i: I = {login: "ada", password: "y"}) { a(password: $p, input: $i) }';
  expect(clean(query).query).toBe(
    'mutation M($p: String = "", $i: I = {login: "ada", password: ""}) { a(password: $p, input: $i) }',
  );
});

test("text without secrets is unchanged, white space and comments too", () => {
  const written = { query: "# hello\nquery Q($first: Int) {  me(first: $first) { id } }\n", variables: '{\n    "first": 1 }' };
  expect(withoutSecrets(written)).toEqual(written);
});

test("variables that are not JSON are dropped, because they cannot be read", () => {
  expect(withoutSecrets({ query: "{ a }", variables: '{"password": "x' })?.variables).toBeNull();
});

test("a document with a syntax error is refused, because it cannot be read", () => {
  expect(withoutSecrets({ query: 'mutation { signIn(password: "x"', variables: null })).toBeNull();
});

test.each(STORY)("no password of the story's tabs is left: $query", ({ query, variables }) => {
  expect(JSON.stringify(withoutSecrets({ query, variables }))).not.toContain("correct horse");
});
