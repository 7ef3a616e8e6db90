import { expect, test } from "vitest";

import { UnreachableError } from "../src/api.ts";
import { Kept, LIFE, settle, World } from "./world.ts";

test("a token is renewed before it expires, even if the local clock is wrong", async () => {
  const world = new World();
  const exchange = world.counting();
  const session = world.window(exchange);
  session.open(...world.tokens("1"));
  await world.pass(LIFE - 61_000);
  expect(session.tokens?.accessToken).toBe("access-1");
  await world.pass(1_000);
  expect(session.tokens?.accessToken).toBe("access-2");
  await world.pass(LIFE - 60_000);
  expect(exchange.calls).toEqual(["refresh-1", "refresh-2"]);
});

test("concurrent requests renew the token once", async () => {
  const world = new World();
  const exchange = world.counting();
  const session = world.window(exchange);
  session.open(...world.tokens("1"));
  world.time += LIFE + 1; // asleep: no timer has run
  const tokens = await Promise.all([session.token(), session.token(), session.token()]);
  expect(tokens).toEqual(["access-2", "access-2", "access-2"]);
  expect(exchange.calls).toHaveLength(1);
});

test("a token that was renewed meanwhile is not renewed again", async () => {
  const world = new World();
  const exchange = world.counting();
  const session = world.window(exchange);
  session.open(...world.tokens("1"));
  await session.renew("access-1");
  await session.renew("access-1");
  expect(exchange.calls).toHaveLength(1);
});

test("while the server does not answer, the valid token is used and renewal is retried", async () => {
  const world = new World();
  let away = true;
  const exchange = world.counting();
  const session = world.window(async (token) => {
    if (away) throw new UnreachableError("away");
    return exchange(token);
  });
  session.open(...world.tokens("1"));
  await world.pass(LIFE - 60_000);
  expect(await session.token()).toBe("access-1");
  away = false;
  await world.pass(5_000);
  expect(await session.token()).toBe("access-2");
});

test("an expired token that cannot be renewed now is an error, not a sign-out", async () => {
  const world = new World();
  const session = world.window(() => Promise.reject(new UnreachableError("away")));
  session.open(...world.tokens("1"));
  world.time += LIFE;
  await expect(session.token()).rejects.toThrow("away");
  expect(session.tokens).not.toBeNull();
});

test("a refused refresh token signs out", async () => {
  const world = new World();
  const session = world.window(() => Promise.resolve(null));
  session.open(...world.tokens("1"));
  await session.renew();
  expect(session.state.get()).toMatchObject({ is: "signed-out" });
  expect(await session.token()).toBeNull();
});

test("without a refresh token the session ends with the token", async () => {
  const world = new World();
  const session = world.window(world.counting());
  session.open(...world.tokens("1", { refreshToken: null }));
  await world.pass(LIFE - 1);
  expect(session.tokens).not.toBeNull();
  await world.pass(1);
  expect(session.tokens).toBeNull();
});

test("signing out during a renewal stays signed out", async () => {
  const world = new World();
  const session = world.window(world.counting());
  session.open(...world.tokens("1"));
  const renewal = session.renew();
  session.close("You have signed out.");
  await renewal;
  expect(session.tokens).toBeNull();
});

test("the session survives a reload and is removed by signing out", async () => {
  const world = new World();
  const storage = new Kept();
  world.window(world.counting(), storage).open(...world.tokens("1"));
  const reloaded = world.window(world.counting(), storage);
  expect(reloaded.tokens?.username).toBe("ada");
  reloaded.close("You have signed out.");
  expect(world.window(world.counting(), storage).tokens).toBeNull();
});

test("a duplicated window takes over renewed tokens", async () => {
  const world = new World();
  const exchange = world.counting();
  const storage = new Kept();
  const first = world.window(exchange, storage);
  first.open(...world.tokens("1"));
  const second = world.window(exchange, storage);
  await first.renew();
  await settle();
  expect(second.tokens?.refreshToken).toBe("refresh-2");
  second.close("You have signed out.");
  expect(first.tokens).toBeNull();
});

test("a window of another user ignores the message", async () => {
  const world = new World();
  const ada = world.window(world.counting());
  const grace = world.window(world.counting());
  ada.open(...world.tokens("ada"));
  grace.open(...world.tokens("grace", { username: "grace" }));
  await ada.renew();
  ada.close("You have signed out.");
  expect(grace.tokens).toMatchObject({ refreshToken: "refresh-grace", username: "grace" });
});
