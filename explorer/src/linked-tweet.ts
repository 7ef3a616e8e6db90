/** The page of one tweet, `/tweets/<id>`, where the button of a mail leads: a tab that reads it. */

import type { Notice } from "./explain.ts";
import { serves } from "./services.ts";
import { type Tab, tab } from "./story.ts";

const PATH = /^\/tweets\/([0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12})$/i;

/** The tab for the tweet that a path names; null for any other path. */
export function linkedTweet(path: string): Tab | null {
  const id = PATH.exec(path)?.[1];
  return id && serves("tweets") ? tab(QUERY, { id }) : null;
}

const QUERY = `# The tweet of the link that you followed.
query LinkedTweet($id: ID!) {
  tweet(id: $id) {
    text
    createdAt
    author { username }
    retweetCount
    viewerHasRetweeted
  }
}`;

export const SIGN_IN_TO_READ: Notice = {
  tone: "info",
  title: "Sign in to see this tweet.",
  details: [],
  advice: "Tweets are shown to who is signed in. Sign in at the top of the page: it is read then.",
  offer: "sign-in",
};
