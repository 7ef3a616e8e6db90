/** The page of one tweet, `/tweets/<id>`, which mails link to: a tab that reads the tweet. */

import type { Notice } from "./explain.ts";
import { serves } from "./services.ts";
import { type Tab, tab } from "./story.ts";

const PATH = /^\/tweets\/([0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12})$/i;

/** Returns the tab for the tweet that a path names; null for any other path. */
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
  advice: "Only signed-in users can read tweets. Sign in at the top of the page to load it.",
  offer: "sign-in",
};
