import { expect, test } from "vitest";

import { enter, exchange } from "../src/account.ts";
import type { Request } from "../src/api.ts";
import { Devices } from "../src/devices.ts";
import { Store } from "../src/store.ts";
import { answer, Kept, World } from "./world.ts";

const TOKEN = "d".repeat(64);

test("a token is found by each login of its user, in any case", () => {
  const devices = new Devices(new Kept());
  devices.keep("d1", "Ada", " ada@example.com ");
  expect(devices.tokenFor("ADA ")).toBe("d1");
  expect(devices.tokenFor("ada@example.com")).toBe("d1");
  expect(devices.tokenFor("grace")).toBeNull();
});

test("tokens survive the page, and the newest replaces the one before", () => {
  const storage = new Kept();
  new Devices(storage).keep("d1", "ada");
  new Devices(storage).keep("d2", "ada");
  expect(new Devices(storage).tokenFor("ada")).toBe("d2");
});

test("twenty logins are kept, those used last", () => {
  const devices = new Devices(new Kept());
  for (let n = 0; n < 20; n += 1) devices.keep(`d${n}`, `user${n}`);
  devices.keep("d0", "user0");
  devices.keep("d20", "user20");
  expect(devices.tokenFor("user0")).toBe("d0");
  expect(devices.tokenFor("user1")).toBeNull();
});

test("the token after a reset is for the next sign-in", () => {
  const devices = new Devices(new Kept());
  expect(devices.take(`#device=${TOKEN}`)).toBe(true);
  expect(devices.tokenFor("ada")).toBe(TOKEN);
  devices.keep("d1", "ada");
  expect(devices.tokenFor("grace")).toBeNull();
});

test("the token after a reset replaces the void one of before", () => {
  const devices = new Devices(new Kept());
  devices.keep("old", "ada");
  devices.take(`#device=${TOKEN}`);
  expect(devices.tokenFor("ada")).toBe(TOKEN);
});

test("the token that a page left is used once, so a forged one does not stay in the way", () => {
  const devices = new Devices(new Kept());
  devices.keep("d1", "ada");
  devices.take(`#device=${TOKEN}`);
  devices.tokenFor("ada");
  expect(devices.tokenFor("ada")).toBe("d1");
});

test.each(["", "#", "#device=", "#device=x", `#device=${TOKEN}!`, "#feed"])(
  "the fragment %s holds no token",
  (fragment) => {
    expect(new Devices(new Kept()).take(fragment)).toBe(false);
  },
);

const signedIn = (device: string) => ({
  accessToken: "a.b.c",
  accessTokenExpiresAt: "2026-01-01T00:00:00Z",
  refreshToken: "r",
  deviceToken: device,
  user: { username: "ada" },
});

test("a sign-in sends the token of an earlier one and keeps the new one", async () => {
  const world = new World();
  const devices = new Devices(new Kept());
  const session = world.window(world.counting());
  const sent: unknown[] = [];
  const post = async ({ variables }: Request) => {
    sent.push((variables?.["input"] as Record<string, unknown>)["deviceToken"]);
    return answer(200, { data: { signIn: signedIn(`d${sent.length}`) } });
  };
  const given = { username: "ada@example.com", password: "x", email: null };
  for (let turn = 0; turn < 2; turn += 1)
    expect(await enter(post, session, devices, new Store(false), given)).toBeNull();
  expect(sent).toEqual([null, "d1"]);
  expect(devices.tokenFor("ada")).toBe("d2");
});

test("a refresh keeps the token of its user", async () => {
  const devices = new Devices(new Kept());
  const post = async () => answer(200, { data: { refreshSession: signedIn("d1") } });
  await exchange(post, devices)("r");
  expect(devices.tokenFor("ada")).toBe("d1");
});

test("a sign-in that has to wait is refused with the time in words", async () => {
  const world = new World();
  const message = "Too many attempts. Try again in 6 minutes.";
  const post = async () => answer(200, { data: { signIn: { message } } });
  const given = { username: "ada", password: "x", email: null };
  const session = world.window(world.counting());
  const refused = await enter(post, session, new Devices(new Kept()), new Store(false), given);
  expect(refused).toEqual({ message, fields: {} });
});

test.each([true, false])("a sign-in reports whether the password has leaked: %s", async (passwordBreached) => {
  const world = new World();
  const breached = new Store(!passwordBreached);
  const post = async () => answer(200, { data: { signIn: { ...signedIn("d1"), passwordBreached } } });
  const given = { username: "ada", password: "x", email: null };
  await enter(post, world.window(world.counting()), new Devices(new Kept()), breached, given);
  expect(breached.get()).toBe(passwordBreached);
});
