import { expect, test } from "vitest";

import type { Answer, Post } from "../src/api.ts";
import { Client } from "../src/client.ts";
import { readOperation } from "../src/operation.ts";
import { answer, World } from "./world.ts";

/** A session of ada's, and a client whose server answers by the token that it sees. */
function signedIn(reply: (token: string | null, query: string) => Answer) {
  const world = new World();
  const session = world.window(world.counting());
  session.open(...world.tokens("1"));
  const seen: (string | null)[] = [];
  const post: Post = (request, options) => {
    seen.push(options?.token ?? null);
    return Promise.resolve(reply(options?.token ?? null, request.query));
  };
  const client = new Client(post, session);
  const send = (query: string, headers?: Record<string, string>) =>
    client.send({ query }, readOperation(query), headers);
  return { session, seen, send };
}

const refused = (reason: string) =>
  answer(401, { errors: [{ message: "No.", extensions: { reason } }] });

test("requests carry the token", async () => {
  const { seen, send } = signedIn(() => answer(200, { data: { me: null } }));
  await send("{ me { id } }");
  expect(seen).toEqual(["access-1"]);
});

test.each([
  "mutation { signIn(input: {}) { __typename } }",
  "mutation { signUp(input: {}) { __typename } }",
  'mutation { refreshSession(refreshToken: "") { __typename } }',
  "{ __schema { types { name } } }",
])("%s carries none", async (query) => {
  const { seen, send } = signedIn(() => answer(200, { data: {} }));
  await send(query);
  expect(seen).toEqual([null]);
});

test("the user's own Authorization replaces the token", async () => {
  const { session, seen, send } = signedIn(() => refused("INVALID"));
  await send("{ me { id } }", { Authorization: "Bearer mine" });
  expect(seen).toEqual([null]);
  expect(session.tokens).not.toBeNull();
});

test("an expired token is exchanged and the request repeated", async () => {
  const { seen, send } = signedIn((token) =>
    token === "access-1" ? refused("EXPIRED") : answer(200, { data: { me: null } }),
  );
  expect((await send("{ me { id } }")).status).toBe(200);
  expect(seen).toEqual(["access-1", "access-2"]);
});

test("the response to an ended session signs out", async () => {
  const { session, send } = signedIn(() => refused("SESSION_ENDED"));
  await send("{ me { id } }");
  expect(session.state.get()).toEqual({ is: "signed-out", why: "No." });
});

test("a SignOut operation signs the page out", async () => {
  const { session, send } = signedIn(() =>
    answer(200, { data: { signOut: { sessionIds: ["1"] } } }),
  );
  await send("mutation { signOut { sessionIds } }");
  expect(session.tokens).toBeNull();
});

test("signing in without selecting the username reads it", async () => {
  const { session, seen, send } = signedIn((_, query) =>
    query.includes("signIn")
      ? answer(200, { data: { signIn: { accessToken: "a.b.c" } } })
      : answer(200, { data: { me: { username: "grace" } } }),
  );
  await send("mutation { signIn(input: {}) { ... on SignedIn { accessToken } } }");
  expect(seen).toEqual([null, "a.b.c"]);
  expect(session.tokens).toMatchObject({ username: "grace", refreshToken: null });
});

test("revoking another session changes nothing, revoking this one signs out", async () => {
  let ended = false;
  const { session, send } = signedIn((_, query) =>
    query.includes("revokeSession")
      ? answer(200, { data: { revokeSession: { __typename: "SignedOut" } } })
      : ended
        ? refused("SESSION_ENDED")
        : answer(200, { data: { me: { username: "ada" } } }),
  );
  await send("mutation { revokeSession(id: 1) { __typename } }");
  expect(session.tokens?.username).toBe("ada");
  ended = true;
  await send("mutation { revokeSession(id: 1) { __typename } }");
  expect(session.tokens).toBeNull();
});

test("re-authentication carries the token, and continues in the new session", async () => {
  const { session, seen, send } = signedIn(() =>
    answer(200, { data: { reauthenticate: { accessToken: "new", refreshToken: "next" } } }),
  );
  await send("mutation { reauthenticate { ... on Reauthenticated { accessToken refreshToken } } }");
  expect(seen).toEqual(["access-1"]);
  expect(session.tokens).toMatchObject({
    accessToken: "new",
    refreshToken: "next",
    username: "ada",
  });
});

test("signing out everywhere is no sign-out while the password is needed again", async () => {
  const { session, send } = signedIn((_, query) =>
    query.includes("signOutEverywhere")
      ? answer(200, { data: { signOutEverywhere: { __typename: "ReauthenticationRequiredError" } } })
      : answer(200, { data: { me: { username: "ada" } } }),
  );
  await send("mutation { signOutEverywhere { __typename } }");
  expect(session.tokens).not.toBeNull();
});
