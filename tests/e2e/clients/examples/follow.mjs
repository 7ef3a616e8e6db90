// Follows the feed from cursor to cursor, whatever ends a subscription in between.
const FEED = `subscription ($after: String) { tweetFeed(after: $after) {
  cursor kind actor { username } tweet { id text retweetCount } } }`;
const PASSING = [undefined, "SERVICE_UNAVAILABLE", "TOO_MANY_REQUESTS"]; // undefined: the network

// `subscribe(query, variables, { next, end })` subscribes once and returns a function that stops;
// it calls `next(data)`, and `end(why)` with the reason or else the code of the error that ended it.
export function follow(session, subscribe, { after = null, next, failed }) {
  let [stop, stopped] = [() => {}, false];
  function begin() {
    if (stopped) return;
    const token = session.accessToken;
    let ended = false;
    stop = subscribe(FEED, { after }, {
      next({ tweetFeed }) {
        after = tweetFeed.cursor;
        next(tweetFeed);
      },
      end(why) {
        if (ended) return;
        ended = true;
        if (why === "EXPIRED") session.refresh(token).then(begin, failed);
        else if (PASSING.includes(why)) setTimeout(begin, 500 + 1000 * Math.random());
        else if (!stopped) failed(new Error(why)); // SESSION_ENDED: sign in again
      },
    });
  }
  begin();
  return () => {
    stopped = true;
    stop();
    return after;
  };
}
