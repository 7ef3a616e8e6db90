/** The tabs that are there from the beginning; together they tell the story. */

import { serves } from "./services.ts";

export interface Tab {
  query: string;
  variables: string | null;
}

const SIGNED_IN = `    ... on SignedIn {
      accessToken
      accessTokenExpiresAt
      refreshToken
      user { id username }
    }
    ... on Error { message }
    ... on InvalidInputError {
      problems { field message }
    }`;

/** Each tab, with the service that it needs. */
export const PARTS: readonly [service: string, tab: Tab][] = [
  [
    "auth",
    tab(
    `# Make an account. Signing up signs in: the bar at
# the top shows who you are. What you run is yours now.
# Press Ctrl-Enter, or the button at the right.
mutation SignUp($input: SignUpInput!) {
  signUp(input: $input) {
    __typename
${SIGNED_IN}
  }
}`,
    { input: { username: "ada", email: "ada@example.com", password: "correct horse" } },
    ),
  ],
  [
    "auth",
    tab(
    `# Or come back to it. What can go wrong is data:
# try another password.
mutation SignIn($input: SignInInput!) {
  signIn(input: $input) {
    __typename
${SIGNED_IN}
  }
}`,
    { input: { login: "ada", password: "correct horse" } },
    ),
  ],
  [
    "tweets",
    tab(
    `# Say something, in 280 characters as a reader
# counts them: an emoji is one.
mutation Tweet($text: String!) {
  createTweet(input: { text: $text }) {
    __typename
    ... on Tweet { id text author { username } }
    ... on Error { message }
  }
}`,
    { text: "Hello 👋" },
    ),
  ],
  [
    "tweets",
    tab(
    `# One operation, two services: auth knows who you
# are, tweets what you said.
query MyTweets {
  me { username email }
  myTweets(first: 10) {
    edges {
      node {
        id
        text
        retweetCount
        author { username }
        retweetOf { author { username } }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}`,
    null,
    ),
  ],
  [
    "tweets",
    tab(
    `# Put the id of a tweet into the variables; the Tweet
# tab has shown one. Better still: sign up as somebody
# else in a second window and retweet it there, while
# you watch your feed here.
mutation Retweet($tweetId: ID!) {
  retweet(tweetId: $tweetId) {
    __typename
    ... on Tweet {
      id
      retweetCount
      retweetOf { text author { username } }
    }
    ... on Error { message }
  }
}`,
    { tweetId: "" },
    ),
  ],
  [
    "tweets",
    tab(
    `# Your feed, live: what you tweet, and who retweets
# you. It goes on in the other tabs, and after a lost
# connection without a gap. Signing out ends it.
subscription WatchMyFeed {
  tweetFeed {
    kind
    actor { username }
    tweet { id text retweetCount }
  }
}`,
    null,
    ),
  ],
  [
    "notifier",
    tab(
    `# Whether you get a mail when somebody retweets you.
# Nothing is sent until you ask for it. What has been
# unsubscribed by the link in a mail stays off.
mutation Settings($retweets: Boolean!) {
  updateEmailSettings(input: { retweets: $retweets }) {
    retweets
    addressUnsubscribed
  }
}`,
    { retweets: true },
    ),
  ],
  [
    "auth",
    tab(
    `# From now on nobody accepts the token any more, and
# the feed ends with it.
mutation SignOut {
  signOut { sessionIds }
}`,
    null,
    ),
  ],
];

/** The tabs of the services that there are, numbered. */
export const STORY = PARTS.filter(([service]) => serves(service)).map(
  ([, { query, variables }], index) => ({
    query: query.replace("# ", `# ${index + 1}. `),
    variables,
  }),
);

export function tab(query: string, variables: object | null): Tab {
  return { query: `${query}\n`, variables: variables && JSON.stringify(variables, null, 2) };
}
