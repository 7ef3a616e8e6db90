/** The live feed below the response: its state and its events, the newest first. */

import { useState } from "react";

import type { Feed, FeedEvent, FeedState } from "./feed.ts";
import { type Operation, Selected } from "./operation.ts";
import { useStore } from "./store.ts";

const TITLES: Record<FeedState["is"], string> = {
  off: "",
  connecting: "connecting",
  live: "live",
  reconnecting: "reconnecting",
  ended: "ended",
};

export function FeedPanel({ feed }: { feed: Feed }) {
  const { is, why, count, events, operation } = useStore(feed.state);
  const [isOpen, setOpen] = useState(false);
  if (is === "off" || !operation) return null;
  return (
    <section className="feed" aria-label="Live feed" data-state={is} data-open={isOpen}>
      <header>
        <h2>Live feed</h2>
        <p role="status">
          <span className="state">{TITLES[is]}</span>{" "}
          <span className="count">{count === 1 ? "1 event" : `${count} events`}</span>
        </p>
        <button
          type="button"
          className="opens-sheet"
          aria-expanded={isOpen}
          onClick={() => setOpen(!isOpen)}
        >
          {isOpen ? "Hide" : "Show"}
        </button>
        {is !== "ended" && (
          <button type="button" onClick={() => feed.stop("You stopped the feed.")}>
            Stop
          </button>
        )}
      </header>
      {why && <p className="why">{why}</p>}
      {is === "live" && count === 0 && (
        <p className="why">No events yet. Tweet in the Tweet tab, or ask another user to retweet you.</p>
      )}
      {events.length > 0 && (
        <ol reversed start={count} aria-label="Events, the newest first" tabIndex={0}>
          {events.map((event) => (
            <li key={event.number}>
              <Line event={event} operation={operation} />
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

function Line({ event, operation }: { event: FeedEvent; operation: Operation }) {
  const time = new Date(event.arrivedAt);
  const item = Selected.of(operation, event.data).child("tweetFeed");
  const actor = item?.child("actor")?.text("username");
  const text = item?.child("tweet")?.text("text");
  const kind = item?.text("kind");
  return (
    <>
      <time dateTime={time.toISOString()}>{time.toLocaleTimeString([], { hour12: false })}</time>
      {kind || actor || text ? (
        <span>
          {actor && <strong>{actor}</strong>} {kind === "RETWEETED" ? "retweeted" : "tweeted"}{" "}
          {text && <q dir="auto">{text}</q>}
        </span>
      ) : (
        <code>{JSON.stringify(event.data)}</code>
      )}
    </>
  );
}
