"""The GraphQL documents of the product's main operations."""

SIGN_UP = """
mutation ($input: SignUpInput!) {
  signUp(input: $input) {
    __typename
    ... on SignedIn { accessToken refreshToken deviceToken user { id username } session { id } }
  }
}"""
SIGN_IN = """
mutation ($input: SignInInput!) {
  signIn(input: $input) {
    __typename
    ... on SignedIn {
      accessToken refreshToken deviceToken user { id username }
      session { id scopes userAgent address }
    }
  }
}"""
REFRESH_SESSION = """
mutation ($token: String!) {
  refreshSession(refreshToken: $token) {
    __typename
    ... on SignedIn { accessToken refreshToken session { id } }
  }
}"""
SIGN_OUT = """
mutation { signOut { sessionIds } }"""
CHANGE_PASSWORD = """
mutation ($current: String!, $new: String!) {
  changePassword(currentPassword: $current, newPassword: $new) {
    __typename ... on PasswordChanged { sessionIds }
  }
}"""
VERIFY_EMAIL = """
mutation ($code: String!) {
  verifyEmail(code: $code) { __typename ... on EmailVerified { user { id emailVerified } } }
}"""
DELETE_ACCOUNT = """
mutation ($password: String!) {
  deleteAccount(password: $password) { __typename }
}"""
ME = """
{ me { username } }"""

CREATE_TWEET = """
mutation ($text: String!) {
  createTweet(input: {text: $text}) {
    __typename
    ... on Tweet { id text author { username } }
  }
}"""
RETWEET = """
mutation ($id: ID!) {
  retweet(tweetId: $id) {
    __typename
    ... on Tweet { id retweetCount retweetOf { id author { username } } }
  }
}"""
MY_TWEETS = """
query ($first: Int! = 20, $after: String) {
  myTweets(first: $first, after: $after) {
    edges { node { id text retweetCount viewerHasRetweeted author { username } } }
    pageInfo { hasNextPage endCursor }
  }
}"""
TWEET_FEED = """
subscription {
  tweetFeed {
    cursor kind actor { id username } tweet { id text author { username } retweetCount }
  }
}"""

MAIL_ON_RETWEETS = """
mutation {
  updateEmailSettings(input: {retweets: true}) { retweets }
}"""
