// What relay-compiler reads of an application: fragments that refetch themselves by `node(id)`.
import { graphql } from "relay-runtime";

export const profile = graphql`
  fragment Profile_user on User
  @refetchable(queryName: "ProfileRefetchQuery")
  @argumentDefinitions(count: { type: "Int", defaultValue: 10 }, cursor: { type: "String" }) {
    username
    tweets(first: $count, after: $cursor) @connection(key: "Profile_tweets") {
      edges { node { ...Post_tweet } }
    }
  }
`;

export const post = graphql`
  fragment Post_tweet on Tweet @refetchable(queryName: "PostRefetchQuery") {
    text
    retweetCount
    author { username }
  }
`;

export const page = graphql`
  query ProfilePageQuery($username: String!) {
    user(username: $username) { id ...Profile_user }
  }
`;
