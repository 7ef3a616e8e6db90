/** The tabs that are there from the beginning; together they tell the story. */

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

export const STORY: readonly [Tab, ...Tab[]] = [
  tab(
    `# 1. Make an account. Signing up signs in: the bar at
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
  tab(
    `# 2. Or come back to it. What can go wrong is data:
# try another password.
mutation SignIn($input: SignInInput!) {
  signIn(input: $input) {
    __typename
${SIGNED_IN}
  }
}`,
    { input: { login: "ada", password: "correct horse" } },
  ),
  tab(
    `# 3. Say something, in 280 characters as a reader
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
  tab(
    `# 4. One operation, two services: auth knows who you
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
  tab(
    `# 5. Put the id of a tweet into the variables; the Tweet
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
  tab(
    `# 6. Your feed, live: what you tweet, and who retweets
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
  tab(
    `# 7. Whether you get a mail when somebody retweets you.
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
  tab(
    `# 8. From now on nobody accepts the token any more, and
# the feed ends with it.
mutation SignOut {
  signOut { sessionIds }
}`,
    null,
  ),
];

export function tab(query: string, variables: object | null): Tab {
  return { query: `${query}\n`, variables: variables && JSON.stringify(variables, null, 2) };
}
