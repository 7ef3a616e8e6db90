import { buildSchema, parse, validate } from "graphql";
import { expect, test } from "vitest";

import supergraph from "../../router/supergraph.graphql?raw";
import { UnreachableError } from "../src/api.ts";
import { type Ask, RefusedError } from "../src/signed.ts";
import { RETWEET, TWEET, type Tweet, tweetIdIn, TweetReader, UNDO_RETWEET } from "../src/tweet.ts";
import { settle, subgraphs, World } from "./world.ts";

const ID = "01a203fc-0000-7000-8000-00000000abcd";

test("the path of a tweet has its id, in capitals or without hyphens, as the server takes it", () => {
  for (const id of [ID, ID.toUpperCase(), ID.replaceAll("-", "")]) {
    expect(tweetIdIn(`/tweets/${id}`)).toBe(id);
  }
});

test.each(["/", "/tweets", "/tweets/", "/tweets/x", `/tweets/${ID}/x`, `/x/tweets/${ID}`])(
  "%s is the page of no tweet",
  (path) => expect(tweetIdIn(path)).toBeNull(),
);

test.skipIf(!subgraphs(supergraph).includes("tweets")).each([TWEET, RETWEET, UNDO_RETWEET])(
  "the schema has what is asked for: %s",
  (query) => {
    const schema = buildSchema(supergraph, { assumeValid: true });
    expect(validate(schema, parse(query)).map(String)).toEqual([]);
  },
);

/** A reader, and the session and the requests that it makes; `reply` answers them. */
function reading(reply: (query: string) => Record<string, unknown>) {
  const world = new World();
  const session = world.window(world.counting());
  const asked: string[] = [];
  const ask: Ask = async (query) => {
    asked.push(query);
    return reply(query);
  };
  const signIn = (username: string): void => session.open(...world.tokens("1", { username }));
  return { session, asked, signIn, reader: new TweetReader(ask, session, ID) };
}

const tweet = (more: Partial<Tweet> = {}): { tweet: Tweet } => ({
  tweet: {
    id: ID,
    text: "Hello",
    createdAt: "2026-11-28T12:00:00Z",
    retweetCount: 0,
    viewerHasRetweeted: false,
    author: { username: "ada" },
    retweetOf: null,
    ...more,
  },
});

test("a signed-out reader is asked to sign in, and nothing is requested", async () => {
  const { reader, asked } = reading(() => tweet());
  reader.follow();
  await settle();
  expect(reader.state.get()).toEqual({ is: "signed-out" });
  expect(asked).toEqual([]);
});

test("signing in reads the tweet, renewing the token does not read it again, signing out hides it", async () => {
  const { reader, session, asked, signIn } = reading(() => tweet());
  reader.follow();
  signIn("grace");
  await settle();
  expect(reader.state.get()).toMatchObject({ is: "read", tweet: { text: "Hello" } });
  signIn("grace");
  await settle();
  expect(asked).toEqual([TWEET]);
  session.close("You have signed out.");
  await settle();
  expect(reader.state.get()).toEqual({ is: "signed-out" });
});

test("an unknown tweet is missing", async () => {
  const { reader, signIn } = reading(() => ({ tweet: null }));
  signIn("grace");
  await reader.read();
  expect(reader.state.get()).toEqual({ is: "missing" });
});

test.each([
  [new RefusedError("Sign in.", "UNAUTHENTICATED"), { is: "signed-out" }],
  [new RefusedError("The scope is missing.", "FORBIDDEN"), { is: "failed", why: "The scope is missing." }],
  [new UnreachableError("Chirp cannot be reached."), { is: "failed", why: "Chirp cannot be reached." }],
])("%s is explained", async (error, state) => {
  const { reader, signIn } = reading(() => {
    throw error;
  });
  signIn("grace");
  await reader.read();
  expect(reader.state.get()).toEqual(state);
});

test("a retweet is reported and the tweet read again", async () => {
  let retweeted = false;
  const { reader, signIn } = reading((query) => {
    if (query === TWEET) return tweet({ viewerHasRetweeted: retweeted });
    retweeted = query === RETWEET;
    return { retweet: { __typename: "Tweet" }, undoRetweet: { __typename: "Tweet" } };
  });
  signIn("grace");
  await reader.read();
  await reader.retweet(false);
  expect(reader.state.get()).toMatchObject({
    tweet: { viewerHasRetweeted: true },
    news: "You have retweeted it.",
  });
  await reader.retweet(true);
  expect(reader.state.get()).toMatchObject({
    tweet: { viewerHasRetweeted: false },
    news: "You have undone your retweet.",
  });
});

test("a tweet that was deleted meanwhile is missing after the retweet", async () => {
  const { reader, signIn } = reading((query) =>
    query === TWEET ? { tweet: null } : { retweet: { message: "There is no such tweet." } },
  );
  signIn("grace");
  await reader.retweet(false);
  expect(reader.state.get()).toEqual({ is: "missing" });
});

test("a retweet that fails is reported beside the tweet", async () => {
  const { reader, signIn } = reading((query) => {
    if (query === TWEET) return tweet();
    throw new UnreachableError("Chirp cannot be reached.");
  });
  signIn("grace");
  await reader.read();
  await reader.retweet(false);
  expect(reader.state.get()).toMatchObject({ is: "read", news: "Chirp cannot be reached." });
});

test("what was read for one user is not shown to the next", async () => {
  const replies: ((value: Record<string, unknown>) => void)[] = [];
  const world = new World();
  const session = world.window(world.counting());
  const ask: Ask = () => new Promise((resolve) => replies.push(resolve));
  const reader = new TweetReader(ask, session, ID);
  session.open(...world.tokens("1", { username: "ada" }));
  reader.follow();
  session.open(...world.tokens("2", { username: "grace" }));
  replies[1]?.(tweet({ viewerHasRetweeted: true }));
  replies[0]?.(tweet({ viewerHasRetweeted: false }));
  await settle();
  expect(reader.state.get()).toMatchObject({ tweet: { viewerHasRetweeted: true } });
});
