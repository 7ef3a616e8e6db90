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
    ... on InvalidInputError { problems { field message } }`;

export const STORY: readonly Tab[] = [
  tab(
    `# 1. Make an account. Signing up signs in: the bar at the top shows who you are, and every
# further request is yours. Run it with Ctrl-Enter, or with the button.
mutation SignUp($input: SignUpInput!) {
  signUp(input: $input) {
    __typename
${SIGNED_IN}
  }
}`,
    { input: { username: "ada", email: "ada@example.com", password: "correct horse" } },
  ),
  tab(
    `# 2. Or come back to it. What can go wrong is data: try another password.
mutation SignIn($input: SignInInput!) {
  signIn(input: $input) {
    __typename
${SIGNED_IN}
  }
}`,
    { input: { login: "ada", password: "correct horse" } },
  ),
  tab(
    `# 3. Say something, in 280 characters as a reader counts them.
mutation Tweet($text: String!) {
  createTweet(input: { text: $text }) {
    __typename
    ... on Tweet { id text createdAt author { username } }
    ... on Error { message }
  }
}`,
    { text: "Hello 👋" },
  ),
  tab(
    `# 4. One operation, two services: auth knows who you are, tweets what you said.
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
    `# 5. Retweet. Put the id of a tweet below: the Tweet tab has shown one. Open a second window,
# sign up as somebody else and retweet ada's tweet there, while ada watches her feed here.
mutation Retweet($tweetId: ID!) {
  retweet(tweetId: $tweetId) {
    __typename
    ... on Tweet { id text retweetCount retweetOf { id author { username } } }
    ... on Error { message }
  }
}`,
    { tweetId: "" },
  ),
  tab(
    `# 6. Your feed, live: what you tweet, and who retweets you. It goes on while you use the other
# tabs, and comes back without a gap when the connection breaks. Signing out ends it.
subscription WatchMyFeed {
  tweetFeed {
    kind
    actor { username }
    tweet { id text retweetCount author { username } }
  }
}`,
    null,
  ),
  tab(
    `# 7. Whether you get a mail when somebody retweets you. Nothing is sent until you ask for it.
mutation Settings($retweets: Boolean!) {
  updateEmailSettings(input: { retweets: $retweets }) { retweets }
}`,
    { retweets: true },
  ),
  tab(
    `# 8. Sign out: from now on nobody accepts the token any more, and the feed ends with it.
mutation SignOut {
  signOut { sessionIds }
}`,
    null,
  ),
];

function tab(query: string, variables: object | null): Tab {
  return { query: `${query}\n`, variables: variables && JSON.stringify(variables, null, 2) };
}
