// Shows a profile with Relay and refetches it: `node relay-refetch.mjs URL ARTIFACTS TOKEN USERNAME`.
// ARTIFACTS is the folder that relay-compiler wrote.
import { createRequire } from "node:module";
import path from "node:path";
import relay from "relay-runtime";
import { connect } from "./examples/relay.mjs";
import { Session } from "./examples/session.mjs";
import { obey, tell } from "./lines.mjs";

globalThis.WebSocket ??= (await import("ws")).WebSocket; // Node has one from 22 on

const [url, artifacts, accessToken, username] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const artifact = (name) => require(path.join(artifacts, `${name}.graphql.js`));

const { network } = connect(url, new Session(url, { accessToken }));
const environment = new relay.Environment({ network, store: new relay.Store(new relay.RecordSource()) });
const page = relay.createOperationDescriptor(artifact("ProfilePageQuery"), { username });
const retained = environment.retain(page); // as a mounted component does

const read = (fragment, reference) => environment.lookup(relay.getSingularSelector(fragment, reference)).data;

function shown() {
  const { user } = environment.lookup(page.fragment).data;
  const profile = user && read(artifact("Profile_user"), user);
  const posts = profile?.tweets.edges.map(({ node }) => read(artifact("Post_tweet"), node));
  return { id: user?.id, username: profile?.username, posts };
}

// What useRefetchableFragment does.
async function refetch({ fragment, id }) {
  const { refetchableRequest, identifierInfo } = relay.getRefetchMetadata(artifact(fragment), "refetch");
  const variables = { [identifierInfo.identifierQueryVariableName]: id };
  await relay.fetchQuery(environment, refetchableRequest, variables, { fetchPolicy: "network-only" }).toPromise();
  tell({ event: "refetched", ...shown() });
}

await relay.fetchQuery(environment, artifact("ProfilePageQuery"), { username }).toPromise();
obey({ show: () => tell({ event: "shown", ...shown() }), refetch, end: () => retained.dispose() });
