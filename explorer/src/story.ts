/** The initial tabs; in order, they demonstrate the API. */

import { serves } from "./services.ts";

export interface Tab {
  query: string;
  variables: string | null;
}

const SIGNED_IN = `    ... on SignedIn {
      accessToken
      accessTokenExpiresAt
      refreshToken
      passwordBreached
      user { id username }
    }
    ... on Error { message }
    ... on InvalidInputError {
      problems { field message }
    }`;

/** The tabs, each with the service that it needs. */
export const PARTS: readonly [service: string, tab: Tab][] = [
  [
    "auth",
    tab(
    `# Create an account. Signing up also signs in: the
# bar at the top shows your username.
# Press Ctrl-Enter, or the button on the right.
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
    `# Or sign in to it. Expected errors are data: try
# another password.
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
    "auth",
    tab(
    `# Verify your address: put the code of the mail into
# the variables. \`make up\` printed the address of the
# mailbox that shows the mail. Until then no other mail
# is sent to you. The bar at the top does the same.
mutation VerifyEmail($code: String!) {
  verifyEmail(code: $code) {
    __typename
    ... on EmailVerified { user { email emailVerified } }
    ... on Error { message }
  }
}`,
    { code: "" },
    ),
  ],
  [
    "tweets",
    tab(
    `# Tweet up to 280 characters, as a reader counts
# them: an emoji is one.
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
    `# One operation, two services: auth has your account,
# tweets has your tweets.
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
    `# Retweet the tweet in the variables: the one that this
# browser has seen last, in any window. Better still:
# sign up as another user in a second window and retweet
# it there, while you watch your feed here.
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
    `# Your feed, live: your tweets, and their retweets by
# other users. It continues in the other tabs, and
# after a lost connection, without a gap. Signing out
# ends it.
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
    `# Whether you get a mail when another user retweets
# you. No mail is sent until you switch it on and your
# address is verified. An address that unsubscribed by
# the link in a mail, or that the mail server refuses,
# gets none.
mutation Settings($retweets: Boolean!) {
  updateEmailSettings(input: { retweets: $retweets }) {
    retweets
    addressUnsubscribed
    undeliverableSince
  }
}`,
    { retweets: true },
    ),
  ],
  [
    "auth",
    tab(
    `# Change your password. Your other sessions end, on
# every device. A mail tells you.
mutation ChangePassword($current: String!, $new: String!) {
  changePassword(currentPassword: $current, newPassword: $new) {
    __typename
    ... on PasswordChanged { sessionIds }
    ... on Error { message }
    ... on InvalidInputError { problems { field message } }
  }
}`,
    { current: "correct horse", new: "correct horse battery" },
    ),
  ],
  [
    "auth",
    tab(
    `# Move to another address. It becomes yours with the
# code that is mailed to it (VerifyEmail). The old one
# can be taken back for three days.
mutation ChangeEmail($newEmail: String!, $password: String!) {
  changeEmail(newEmail: $newEmail, password: $password) {
    __typename
    ... on CodeRequested { email validSeconds }
    ... on Error { message }
    ... on InvalidInputError { problems { field message } }
  }
}`,
    { newEmail: "ada@example.org", password: "correct horse battery" },
    ),
  ],
  [
    "auth",
    tab(
    `# Enter your password again: 15 minutes after the
# sign-in, revokeSession and signOutEverywhere ask for
# it. A new session replaces this one.
mutation Reauthenticate($password: String!) {
  reauthenticate(password: $password) {
    __typename
    ... on Reauthenticated {
      accessToken
      accessTokenExpiresAt
      refreshToken
      session { id createdAt }
    }
    ... on Error { message }
  }
}`,
    { password: "correct horse battery" },
    ),
  ],
  [
    "auth",
    tab(
    `# After this, no service accepts the token, and the
# feed ends.
mutation SignOut {
  signOut { sessionIds }
}`,
    null,
    ),
  ],
];

/** The numbered tabs of the declared services. */
export const STORY = PARTS.filter(([service]) => serves(service)).map(
  ([, { query, variables }], index) => ({
    query: query.replace("# ", `# ${index + 1}. `),
    variables,
  }),
);

/** Returns the title that GraphiQL gives a tab: the name of its operation. */
export function titleOf({ query }: Tab): string {
  return /^(?:query|mutation|subscription) (\w+)/m.exec(query)?.[1] ?? "";
}

/** Returns the tabs of the story that are not among these titles. */
export function missingFrom(titles: readonly string[]): Tab[] {
  return STORY.filter((each) => !titles.includes(titleOf(each)));
}

/** Returns `tabs` with `added` ones, each after the tab that precedes it in `order`. */
export function withStory<T extends { title: string }>(
  tabs: readonly T[],
  added: readonly T[],
  order: readonly string[],
): T[] {
  const all = [...tabs];
  for (const each of added) {
    const earlier = order.slice(0, order.indexOf(each.title));
    const index = all.findLastIndex(({ title }) => earlier.includes(title));
    all.splice(index + 1, 0, each);
  }
  return all;
}

/** Returns a tab. Its comment becomes one line, which the editor wraps at any width. */
export function tab(query: string, variables: object | null): Tab {
  const [comment = "", ...rest] = query.split(/\n(?!# )/);
  return {
    query: [comment.replaceAll("\n# ", " "), ...rest, ""].join("\n"),
    variables: variables && JSON.stringify(variables, null, 2),
  };
}
