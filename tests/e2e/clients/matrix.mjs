// Plays one story with one client, set up as its example shows: `node matrix.mjs CLIENT URL`.
import { follow } from "./examples/follow.mjs";
import { Session } from "./examples/session.mjs";
import { obey, pause, tell } from "./lines.mjs";

globalThis.WebSocket ??= (await import("ws")).WebSocket; // Node has one from 22 on

const CREATE = "mutation ($text: String!) { createTweet(input: {text: $text}) { ... on Tweet { id text } ... on Error { message } } }";
const [client, url] = process.argv.slice(2);
const { connect } = await import(`./examples/${client}.mjs`);
const session = new Session(url, {});
// Some clients only subscribe.
const { query = session.query.bind(session), mutate = session.query.bind(session), subscribe } = connect(url, session);
const tweet = (text) => mutate(CREATE, { text });

// A query with a token that has expired, a mutation, and one that fails.
async function play({ accessToken, refreshToken }) {
  Object.assign(session, { accessToken, refreshToken });
  const { me } = await query("query Me { me { username } }");
  const { createTweet } = await tweet("hello 👋");
  const isRefreshed = session.accessToken !== accessToken;
  const { message } = (await tweet("")).createTweet;
  tell({ event: "played", username: me.username, isRefreshed, text: createTweet.text, message });
}

// A subscription whose token expires, and another after a pause, from the last cursor on.
async function watch({ accessToken }) {
  const texts = [];
  const ends = [];
  let isStopped = false;
  const noted = (text, variables, { next, end }) =>
    subscribe(text, variables, {
      next,
      end(why) {
        if (!isStopped) ends.push(why ?? null);
        end(why);
      },
    });
  const listen = (after) => follow(session, noted, { after, next: ({ tweet }) => texts.push(tweet.text), failed });
  const arrives = (text) => until(() => texts.includes(text));

  session.accessToken = accessToken;
  let stop = listen();
  await until(() => ends.includes("EXPIRED") || session.accessToken !== accessToken);
  for (let number = 0; !texts.length; number++) await Promise.all([tweet(`live ${number}`), pause(200)]);
  isStopped = true; // some clients say that they end when they are stopped
  const after = stop();
  for (const text of ["missed", "missed too"]) await tweet(text);
  stop = listen(after);
  await arrives("missed too");
  await tweet("live again");
  await arrives("live again");
  stop();
  tell({ event: "watched", texts, ends });
}

async function until(holds) {
  while (!holds()) await pause(50);
}

function failed(error) {
  tell({ event: "failed", error: String(error.stack) });
}

obey({ play: (given) => play(given).catch(failed), watch: (given) => watch(given).catch(failed) });
