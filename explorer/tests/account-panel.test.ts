import { buildSchema, parse, validate } from "graphql";
import { expect, test } from "vitest";

import supergraph from "../../router/supergraph.graphql?raw";
import { Devices } from "../src/devices.ts";
import { CHANGE_MAIL_SETTINGS, MAIL_SETTINGS } from "../src/mail-settings.ts";
import { CHANGE_PASSWORD, changePassword } from "../src/password.ts";
import { SECURITY_EVENTS, securityEvents } from "../src/security-events.ts";
import {
  deviceOf,
  endSessions,
  REAUTHENTICATE,
  reauthenticate,
  revocation,
  SESSIONS,
} from "../src/sessions.ts";
import { type Ask, asking, RefusedError } from "../src/signed.ts";
import { answer, Kept, subgraphs, World } from "./world.ts";

const AUTH = [SESSIONS, REAUTHENTICATE, CHANGE_PASSWORD, SECURITY_EVENTS, revocation(["1", "2"])[0]];
const NOTIFIER = subgraphs(supergraph).includes("notifier") ? [MAIL_SETTINGS, CHANGE_MAIL_SETTINGS] : [];

test.each([...AUTH, ...NOTIFIER])("the schema has what is asked for: %s", (query) => {
  const schema = buildSchema(supergraph, { assumeValid: true });
  expect(validate(schema, parse(query)).map(String)).toEqual([]);
});

/** An API that ends sessions by `end`; `seen` has the ids of each request. */
function ending(end: (id: unknown) => object) {
  const seen: unknown[][] = [];
  const ask: Ask = async (_, variables = {}) => {
    seen.push(Object.values(variables));
    return Object.fromEntries(Object.entries(variables).map(([name, id]) => [name, end(id)]));
  };
  return { ask, seen };
}

test("many sessions end in requests of at most five mutations", async () => {
  const { ask, seen } = ending(() => ({ __typename: "SignedOut" }));
  expect(await endSessions(ask, ["1", "2", "3", "4", "5", "6"])).toEqual({ is: "ended" });
  expect(seen).toEqual([["1", "2", "3", "4", "5"], ["6"]]);
});

test("a session that has ended already counts as ended", async () => {
  const { ask } = ending(() => ({ __typename: "SessionNotFoundError", message: "No." }));
  expect(await endSessions(ask, ["1"])).toEqual({ is: "ended" });
});

test("the password is asked for when the API wants it again", async () => {
  const { ask } = ending(() => ({ __typename: "ReauthenticationRequiredError", message: "Again." }));
  expect(await endSessions(ask, ["1"])).toEqual({ is: "password" });
});

test("another refusal is passed on", async () => {
  const { ask } = ending(() => ({ __typename: "OtherError", message: "Not now." }));
  expect(await endSessions(ask, ["1"])).toEqual({ is: "refused", why: "Not now." });
});

/** A signed-in session of ada's and a post that answers with `data`. */
function signedIn(data: Record<string, unknown>) {
  const world = new World();
  const session = world.window(world.counting());
  session.open(...world.tokens("1"));
  return { session, post: async () => answer(200, { data }) };
}

test("the page goes on in the session that the password has opened", async () => {
  const tokens = { accessToken: "new", accessTokenExpiresAt: null, refreshToken: "next" };
  const { session, post } = signedIn({ reauthenticate: tokens });
  expect(await reauthenticate(post, session, "x")).toBeNull();
  expect(session.tokens).toMatchObject({ accessToken: "new", refreshToken: "next", username: "ada" });
});

test("a wrong password changes no session", async () => {
  const { session, post } = signedIn({ reauthenticate: { message: "Wrong." } });
  expect(await reauthenticate(post, session, "x")).toEqual({ message: "Wrong.", fields: {} });
  expect(session.tokens?.accessToken).toBe("access-1");
});

test("a new password keeps the new device token", async () => {
  const changed = { __typename: "PasswordChanged", deviceToken: "d2", sessionIds: ["1", "2"] };
  const { session, post } = signedIn({ changePassword: changed });
  const devices = new Devices(new Kept());
  expect(await changePassword(post, session, devices, { current: "a", new: "b" })).toBe(2);
  expect(devices.tokenFor("ada")).toBe("d2");
});

test("a refused password is refused by field", async () => {
  const problems = [{ field: "newPassword", message: "Choose another." }];
  const { session, post } = signedIn({ changePassword: { message: "Invalid.", problems } });
  const refused = await changePassword(post, session, new Devices(new Kept()), { current: "a", new: "b" });
  expect(refused).toEqual({ message: "Invalid.", fields: { newPassword: "Choose another." } });
});

test.each([
  [true, "c1"],
  [false, null],
])("events come with the cursor of the next page (more: %s)", async (hasNextPage, next) => {
  const node = { id: "1", description: "You signed in." };
  const ask: Ask = async (_, variables) => {
    expect(variables).toEqual({ after: "c0" });
    return { securityEvents: { edges: [{ node }], pageInfo: { hasNextPage, endCursor: "c1" } } };
  };
  expect(await securityEvents(ask, "c0")).toEqual({ events: [node], next });
});

test.each([
  ["Firefox", "Linux", "Firefox on Linux"],
  ["Firefox", null, "Firefox"],
  [null, "Linux", "Linux"],
  [null, null, "Unknown device"],
])("a device with the browser %s and the system %s is %s", (browser, system, name) => {
  expect(deviceOf({ browser, system })).toBe(name);
});

test("a refused request of the page rejects with the code", async () => {
  const { session } = signedIn({});
  const refusing = async () =>
    answer(200, { errors: [{ message: "No.", extensions: { code: "FORBIDDEN" } }] });
  await expect(asking(refusing, session)("{ sessions { id } }")).rejects.toEqual(
    new RefusedError("No.", "FORBIDDEN"),
  );
});
