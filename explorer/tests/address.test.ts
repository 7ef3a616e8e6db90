import { expect, test } from "vitest";

import { AddressWatch, needsVerification } from "../src/address.ts";
import { type Answer, type Post, UnreachableError } from "../src/api.ts";
import { readOperation } from "../src/operation.ts";
import { answer, settle, World } from "./world.ts";

interface Me {
  email: string | null;
  emailVerified: boolean | null;
  emailSettings: { undeliverableSince: string | null } | null;
}

const SINCE = "2026-11-28T20:00:00Z";
const settings = { undeliverableSince: null };
const NEW: Me = { email: "ada@example.com", emailVerified: false, emailSettings: settings };
const ADA = { email: "ada@example.com", isVerified: false, undeliverableSince: null };

/** A watch whose server has the account `me`, and answers mutations by `reply`. */
function watching(reply: (query: string, variables?: object) => Answer = () => answer(500, {})) {
  const world = new World();
  const session = world.window(world.counting());
  const server = { me: NEW, looks: 0, isAway: false, reply };
  const post: Post = ({ query, variables }) => {
    if (server.isAway) return Promise.reject(new UnreachableError("Chirp cannot be reached."));
    if (query.startsWith("mutation")) return Promise.resolve(server.reply(query, variables));
    server.looks += 1;
    return Promise.resolve(answer(200, { data: { me: server.me } }));
  };
  const address = new AddressWatch(post, session);
  const signIn = async (username = "ada") => {
    session.open(...world.tokens(username, { username }));
    await settle();
  };
  return { address, server, session, signIn, world };
}

test("nothing is asked without a signed-in user", async () => {
  const { address, server } = watching();
  await address.look();
  expect(address.state.get()).toBeNull();
  expect(server.looks).toBe(0);
});

test("the address is known after signing in, and forgotten after signing out", async () => {
  const { address, session, signIn } = watching();
  await signIn();
  expect(address.state.get()).toEqual(ADA);
  session.close("Bye.");
  await settle();
  expect(address.state.get()).toBeNull();
});

test("a renewed token asks nothing, another user does", async () => {
  const { server, signIn } = watching();
  await signIn();
  await signIn();
  expect(server.looks).toBe(1);
  await signIn("grace");
  expect(server.looks).toBe(2);
});

test("a session that may not read the account shows nothing", async () => {
  const { address, server, signIn } = watching();
  server.me = { email: null, emailVerified: null, emailSettings: null };
  await signIn();
  expect(address.state.get()).toBeNull();
});

test("an answer that comes after signing out is dropped", async () => {
  const { address, session, signIn } = watching();
  const signingIn = signIn();
  session.close("Bye.");
  await signingIn;
  expect(address.state.get()).toBeNull();
});

test("nothing is shown while the server is away", async () => {
  const { address, server, signIn } = watching();
  server.isAway = true;
  await signIn();
  expect(address.state.get()).toBeNull();
});

test.each([
  [true, null, false],
  [false, null, true],
  [true, SINCE, true],
])("verified %s, undeliverable since %s: needs a verification: %s", (isVerified, undeliverableSince, needs) => {
  expect(needsVerification({ email: "a@b.c", isVerified, undeliverableSince })).toBe(needs);
});

test("a refused address is shown with the time", async () => {
  const { address, server, signIn } = watching();
  server.me = { ...NEW, emailVerified: true, emailSettings: { undeliverableSince: SINCE } };
  await signIn();
  expect(address.state.get()).toEqual({ ...ADA, isVerified: true, undeliverableSince: SINCE });
});

test("a valid code verifies the address", async () => {
  const sent: unknown[] = [];
  const { address, server, signIn } = watching((_, variables) => {
    sent.push(variables);
    server.me = { ...NEW, emailVerified: true };
    return answer(200, { data: { verifyEmail: { __typename: "EmailVerified" } } });
  });
  await signIn();
  expect(await address.verify("1234 5678")).toBeNull();
  expect(sent).toEqual([{ code: "1234 5678" }]);
  expect(address.state.get()?.isVerified).toBe(true);
});

test("a verification ends the refusal of an address before the notifier knows it", async () => {
  const { address, server, signIn } = watching(() =>
    answer(200, { data: { verifyEmail: { __typename: "EmailVerified" } } }),
  );
  server.me = { ...NEW, emailVerified: true, emailSettings: { undeliverableSince: SINCE } };
  await signIn();
  expect(await address.verify("1234 5678")).toBeNull();
  expect(address.state.get()).toEqual({ ...ADA, isVerified: true });
});

test("a wrong code is a refusal in words", async () => {
  const result = { __typename: "InvalidCodeError", message: "The code is wrong." };
  const { address, signIn } = watching(() => answer(200, { data: { verifyEmail: result } }));
  await signIn();
  expect(await address.verify("1")).toEqual({ message: "The code is wrong.", fields: {} });
  expect(address.state.get()?.isVerified).toBe(false);
});

test("a mail is requested again, or refused in words", async () => {
  const { address, server, signIn } = watching(() =>
    answer(200, { data: { requestEmailVerification: { __typename: "CodeRequested" } } }),
  );
  await signIn();
  expect(await address.mailAgain()).toBeNull();
  const refused = { __typename: "TooManyAttemptsError", message: "Try again in 9 minutes." };
  server.reply = () => answer(200, { data: { requestEmailVerification: refused } });
  expect((await address.mailAgain())?.message).toBe("Try again in 9 minutes.");
});

test("an ended session signs the page out", async () => {
  const errors = [{ message: "Ended.", extensions: { reason: "SESSION_ENDED" } }];
  const { address, session, signIn } = watching(() => answer(401, { errors }));
  await signIn();
  expect((await address.verify("1"))?.message).toBe("Ended.");
  expect(session.state.get()).toEqual({ is: "signed-out", why: "Ended." });
});

test("a VerifyEmail operation in the editor is followed, others are not", async () => {
  const { address, server, signIn } = watching();
  await signIn();
  for (const query of ["mutation { x: verifyEmail { __typename } }", "mutation { y }", "{ verifyEmail }"]) {
    const operation = readOperation(query);
    if (operation) await address.after(operation);
  }
  expect(server.looks).toBe(2);
});

test("returning to the window looks until the address is verified", async () => {
  const { address, server, signIn } = watching();
  await signIn();
  server.me = { ...NEW, emailVerified: true };
  await address.returned();
  await address.returned();
  expect(address.state.get()?.isVerified).toBe(true);
  expect(server.looks).toBe(2);
});
