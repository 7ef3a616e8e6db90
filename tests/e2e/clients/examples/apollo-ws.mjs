// Apollo Client 4 with subscriptions over a WebSocket, and persisted queries on both transports.
import { createHash } from "node:crypto";
import { ApolloLink } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { OperationTypeNode } from "graphql";
import * as apollo from "./apollo.mjs";
import { socket } from "./graphql-ws.mjs";

export function connect(url, session) {
  const ws = new GraphQLWsLink(socket(url, session));
  const isSubscription = ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION;
  const sha256 = (text) => createHash("sha256").update(text).digest("hex");
  return apollo.connect(url, session, (http) => new PersistedQueryLink({ sha256 }).split(isSubscription, ws, http));
}
