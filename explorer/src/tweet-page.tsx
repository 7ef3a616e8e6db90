/** The page of one tweet, for readers who follow the link of a mail. */

import "./tweet-page.css";

import { type ReactNode, useEffect, useState } from "react";

import { openDrawer } from "./drawer.tsx";
import { ask, health, session } from "./page.ts";
import { linkTo } from "./share.ts";
import { useStore } from "./store.ts";
import { type Post, TWEET, type Tweet, TweetReader } from "./tweet.ts";

export default function TweetPage({ id }: { id: string }) {
  const [reader] = useState(() => new TweetReader(ask, session, id));
  const state = useStore(reader.state);
  const isBack = useStore(health.state) === "back";
  useEffect(() => reader.follow(), [reader]);
  useEffect(() => {
    if (isBack && reader.state.get().is === "failed") void reader.read();
  }, [isBack, reader]);
  return (
    <div className="reading">
      {state.is === "loading" && <p role="status">Loading the tweet…</p>}
      {state.is === "signed-out" && (
        <Message title="Sign in to see this tweet">
          <p>Only signed-in users can read tweets.</p>
          <button type="button" className="primary" onClick={goToForm}>
            Go to the form
          </button>
        </Message>
      )}
      {state.is === "missing" && (
        <Message title="There is no such tweet">
          <p>It may have been deleted, or the link is incomplete.</p>
        </Message>
      )}
      {state.is === "failed" && (
        <Message title="The tweet cannot be shown right now">
          <p>{state.why}</p>
          <button type="button" className="primary" onClick={() => void reader.read()}>
            Try again
          </button>
        </Message>
      )}
      {state.is === "read" && <Read tweet={state.tweet} news={state.news} reader={reader} />}
      <p className="elsewhere">
        <a href={linkTo("/", { query: TWEET, variables: JSON.stringify({ id }, null, 2) })}>
          Open in the explorer
        </a>
      </p>
    </div>
  );
}

function Read({ tweet, news, reader }: { tweet: Tweet; news: string | null; reader: TweetReader }) {
  const [busy, setBusy] = useState(false);
  const shown: Post = tweet.retweetOf ?? tweet;
  const { username } = shown.author;
  useEffect(() => {
    document.title = `Tweet by ${username} · Chirp`;
  }, [username]);
  const toggle = async (): Promise<void> => {
    setBusy(true);
    await reader.retweet(tweet.viewerHasRetweeted);
    setBusy(false);
  };
  return (
    <article className="tweet">
      {tweet.retweetOf && (
        <p className="by">
          <strong>{tweet.author.username}</strong> retweeted this on <Time of={tweet.createdAt} />
        </p>
      )}
      <header>
        <span className="avatar" aria-hidden="true">
          {username.slice(0, 1).toUpperCase()}
        </span>
        <div>
          <h1>
            <span className="unseen">Tweet by </span>
            {username}
          </h1>
          <Time of={shown.createdAt} />
        </div>
      </header>
      <p className="text" dir="auto">
        {shown.text}
      </p>
      <footer>
        <p>{countOf(tweet.retweetCount)}</p>
        <button
          type="button"
          className={tweet.viewerHasRetweeted ? "" : "primary"}
          aria-disabled={busy}
          onClick={() => busy || void toggle()}
        >
          {tweet.viewerHasRetweeted ? "Undo retweet" : "Retweet"}
        </button>
      </footer>
      <p role="status" className="news">
        {news}
      </p>
    </article>
  );
}

function Message({ title, children }: { title: string; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Chirp`;
  }, [title]);
  return (
    <section className="tweet" role="status">
      <h1>{title}</h1>
      {children}
    </section>
  );
}

function Time({ of }: { of: string }) {
  const text = new Date(of).toLocaleString(undefined, { dateStyle: "long", timeStyle: "short" });
  return <time dateTime={of}>{text}</time>;
}

function countOf(retweets: number): string {
  return retweets === 1 ? "1 retweet" : `${retweets} retweets`;
}

function goToForm(): void {
  openDrawer();
  document.querySelector<HTMLInputElement>('.sign-in input[name="username"]')?.focus();
}
