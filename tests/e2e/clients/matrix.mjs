// Plays one story with one client: `node matrix.mjs CLIENT URL`. The tokens come as JSON on stdin, and
// what the client sees goes out as lines of JSON.
import { text as readAll } from "node:stream/consumers";
import { follow } from "./examples/follow.mjs";
import { Session } from "./examples/session.mjs";

globalThis.WebSocket ??= (await import("ws")).WebSocket; // Node has one from 22 on

const [client, url] = process.argv.slice(2);
const { expired, brief, refreshToken } = JSON.parse(await readAll(process.stdin));
const { connect } = await import(`./examples/${client}.mjs`);

const session = new Session(url, { accessToken: expired, refreshToken });
const { query = session.query.bind(session), mutate = session.query.bind(session), subscribe } = connect(url, session);
const CREATE = "mutation ($text: String!) { createTweet(input: {text: $text}) { ... on Tweet { id text } ... on Error { message } } }";
const tweet = (text) => mutate(CREATE, { text });
const say = (event, value) => process.stdout.write(`${JSON.stringify({ event, value })}\n`);
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function until(holds, meanwhile = () => {}) {
  while (!holds()) {
    await meanwhile();
    await pause(100);
  }
}

say("query", (await query("query Me { me { username } }")).me.username);
say("refreshed", session.accessToken !== expired);
say("mutation", (await tweet("hello 👋")).createTweet.text);

if (subscribe) {
  const texts = [];
  const ends = [];
  const noted = (text, variables, { next, end }) =>
    subscribe(text, variables, {
      next,
      end(code) {
        ends.push(code ?? null);
        end(code);
      },
    });
  const listen = (after) => follow(session, noted, { after, next: (item) => texts.push(item.tweet.text), failed: fail });
  session.accessToken = brief;
  let stop = listen();
  let number = 0;
  await until(() => texts.length, () => tweet(`live ${number++}`));
  await until(() => session.accessToken !== brief); // the stream ends with its token
  await tweet("after the token expired");
  await until(() => texts.includes("after the token expired"));
  const after = stop();
  for (const text of ["missed", "missed too"]) await tweet(text);
  stop = listen(after);
  await until(() => texts.includes("missed too"));
  await tweet("live again");
  await until(() => texts.includes("live again"));
  stop();
  say("feed", texts);
  say("ends", ends);
}
say("done");
process.exit(0);

function fail(error) {
  console.error(error);
  process.exit(1);
}
