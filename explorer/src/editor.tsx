/** GraphiQL, with requests sent by this page and notices that explain the responses. */

import "@graphiql/plugin-doc-explorer/style.css";
import "@graphiql/plugin-history/style.css";
import "@graphiql/react/style.css";
import "graphiql/graphiql.css";
import "./editor.css";
import "./workers.ts";

import { useGraphiQL, useGraphiQLActions, useMonaco } from "@graphiql/react";
import { GraphiQL, type GraphiQLProps } from "graphiql";
import { type ExecutionResult, GraphQLError } from "graphql";
import { useEffect, useRef } from "react";

import { isRecord, type Request, UnreachableError } from "./api.ts";
import { Client } from "./client.ts";
import { explain, explainUnreachable } from "./explain.ts";
import { Feed } from "./feed.ts";
import { FeedPanel } from "./feed-panel.tsx";
import { linkedTweet, SIGN_IN_TO_READ } from "./linked-tweet.ts";
import { mend } from "./mend.ts";
import { NoticePanel } from "./notice-panel.tsx";
import { readOperation } from "./operation.ts";
import { address, health, notice, post, session, sleep } from "./page.ts";
import { serves } from "./services.ts";
import { connect } from "./socket.ts";
import { useStore } from "./store.ts";
import { STORY, type Tab } from "./story.ts";
import { editorStorage, isKept, TabWatch } from "./tabs.ts";
import { defineThemes } from "./themes.ts";

const client = new Client(post, session);
const feed = new Feed(session, { connect, now: Date.now, sleep, chance: Math.random });
const tabs = new TabWatch();
const linked = linkedTweet(location.pathname);
const first = linked ?? STORY[0];

const fetcher: GraphiQLProps["fetcher"] = (params, options) => {
  // After a change of tabs, GraphiQL may still pass the operation name of the previous tab.
  const operation =
    readOperation(params.query, params.operationName) ?? readOperation(params.query);
  const request: Request = {
    query: params.query,
    ...(isRecord(params.variables) ? { variables: params.variables } : {}),
    operationName: operation ? operation.definition.name?.value : params.operationName,
  };
  if (params.operationName !== "IntrospectionQuery") {
    notice.set(null);
    health.seen();
  }
  if (operation?.kind === "subscription") {
    return {
      subscribe: (observer) => {
        if (typeof observer !== "object") throw new TypeError("GraphiQL gives an observer");
        let shown = true;
        feed.start(operation, request, {
          next: (event) => shown && observer.next(event),
          complete: () => shown && observer.complete(),
        });
        return {
          unsubscribe: () => {
            // The response panel now belongs to another tab.
            shown = false;
            tabs.unlessChanging(() => feed.stop("You stopped the feed."));
          },
        };
      },
    };
  }
  return run(request, operation, options?.headers);
};

async function run(
  request: Request,
  operation: ReturnType<typeof readOperation>,
  headers: Record<string, string> | undefined,
): Promise<ExecutionResult> {
  try {
    const answer = await client.send(request, operation, headers);
    if (operation) void address.after(operation);
    const explained = explain(answer, operation);
    // The schema may arrive after the tweet's page has asked the user to sign in.
    if (explained || notice.get() !== SIGN_IN_TO_READ) notice.set(explained);
    if (explained?.offer === "health") void health.look();
    return answer.body as ExecutionResult;
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    notice.set(explainUnreachable(error));
    return { errors: [new GraphQLError(error.message)] };
  }
}

export default function Editor() {
  const isLive = useStore(feed.state).is === "live";
  const monaco = useMonaco((state) => state.monaco);
  useEffect(() => {
    if (monaco) defineThemes(monaco.editor.defineTheme);
  }, [monaco]);
  const container = useRef<HTMLDivElement>(null);
  useEffect(() => (container.current ? mend(container.current) : undefined), []);
  return (
    <div ref={container} className={isLive ? "frame feed-is-live" : "frame"}>
      <GraphiQL
        fetcher={fetcher}
        storage={editorStorage}
        defaultTabs={linked ? [linked, ...STORY] : [...STORY]}
        {...(linked && isKept() ? { initialQuery: linked.query } : {})}
        {...(linked || !isKept() ? { initialVariables: first?.variables ?? "" } : {})}
        onTabChange={tabs.changed}
        defaultEditorToolsVisibility="variables"
        shouldPersistHeaders={false}
        showPersistHeadersSettings={false}
      >
        <GraphiQL.Logo>{null}</GraphiQL.Logo>
        <GraphiQL.Footer>
          <SchemaWatch />
          {linked && <LinkedTweet tab={linked} />}
          <NoticePanel />
          {serves("tweets") && <FeedPanel feed={feed} />}
        </GraphiQL.Footer>
      </GraphiQL>
    </div>
  );
}

/** Fetches the schema again after an outage if it is missing. */
function SchemaWatch() {
  const state = useStore(health.state);
  const hasSchema = useGraphiQL(({ schema }) => Boolean(schema));
  const { introspect } = useGraphiQLActions();
  useEffect(() => {
    if (state === "back" && !hasSchema) void introspect();
  }, [state, hasSchema, introspect]);
  return null;
}

/** Reads the tweet of the link once, as soon as a user is signed in. */
function LinkedTweet({ tab }: { tab: Tab }) {
  const isSignedIn = useStore(session.state).is === "signed-in";
  const editor = useGraphiQL(({ queryEditor }) => queryEditor);
  const isReady = useGraphiQL(({ variableEditor, responseEditor }) =>
    Boolean(variableEditor && responseEditor),
  );
  const { run } = useGraphiQLActions();
  const hasRun = useRef(false);
  useEffect(() => {
    // After a sign-in by another tab, that tab's operation must not run again.
    if (hasRun.current || !isReady || editor?.getValue() !== tab.query) return;
    if (!isSignedIn) {
      notice.set(SIGN_IN_TO_READ);
      return;
    }
    hasRun.current = true;
    notice.set(null);
    void run();
  }, [isSignedIn, isReady, editor, run, tab]);
  return null;
}
