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

import { AnswerLine, noteTransfer } from "./answer-line.tsx";
import { isRecord, type Request, UnreachableError } from "./api.ts";
import { Client } from "./client.ts";
import { editorStorage, isKept } from "./editor-storage.ts";
import { explain, explainUnreachable, explainUnsent } from "./explain.ts";
import { Feed } from "./feed.ts";
import { FeedPanel } from "./feed-panel.tsx";
import { feedMemory } from "./kept-feed.ts";
import { mend } from "./mend.ts";
import { configure } from "./monaco-options.ts";
import { NoticePanel } from "./notice-panel.tsx";
import { type Operation, readOperation } from "./operation.ts";
import { address, breached, health, notices, post, session, shared, sleep } from "./page.ts";
import { seenTweet, tweetIn } from "./seen.ts";
import { serves } from "./services.ts";
import { signsInWithBreachedPassword } from "./sign-in.ts";
import { connect } from "./socket.ts";
import { useStore } from "./store.ts";
import { STORY } from "./story.ts";
import { PluginSheet, ResponseInView } from "./stacked.tsx";
import { RestoreTabs, RetweetOffer, TabStart } from "./story-tools.tsx";
import { TabWatch } from "./tabs.ts";
import { defineThemes } from "./themes.ts";
import { Tools } from "./tools.tsx";

const client = new Client(post, session);
const feed = new Feed(session, {
  connect,
  now: Date.now,
  sleep,
  memory: feedMemory(sessionStorage),
  chance: Math.random,
});
const tabs = new TabWatch((tab, response) => {
  const unsent = explainUnsent(response);
  if (unsent || response === "") notices.set(tab, unsent);
});
const seen = seenTweet(localStorage);
const first = shared ?? STORY[0];

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
    notices.set(tabs.active, null);
    health.seen();
  }
  if (operation?.kind === "subscription") {
    return {
      subscribe: (observer) => {
        if (typeof observer !== "object") throw new TypeError("GraphiQL gives an observer");
        let shown = true;
        feed.start(operation, request, {
          next: (event) => {
            note(operation, event.data);
            if (shown) observer.next(event);
          },
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
  operation: Operation | null,
  headers: Record<string, string> | undefined,
): Promise<ExecutionResult> {
  const tab = tabs.active;
  const isIntrospection = request.operationName === "IntrospectionQuery";
  if (!isIntrospection) noteTransfer(tab, null);
  try {
    const answer = await client.send(request, operation, headers);
    if (!isIntrospection) noteTransfer(tab, answer.transfer ?? null);
    if (operation) {
      void address.after(operation);
      note(operation, answer.body.data);
      if (signsInWithBreachedPassword(operation, answer.body.data)) breached.set(true);
    }
    const explained = explain(answer, operation, request.query);
    if (explained || !isIntrospection) notices.set(tab, explained);
    if (explained?.offer === "health") void health.look();
    // GraphiQL would show the response in the tab that is active now.
    if (tab !== tabs.active && !isIntrospection) return await new Promise(() => {});
    return answer.body as ExecutionResult;
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    notices.set(tab, explainUnreachable(error));
    return { errors: [new GraphQLError(error.message)] };
  }
}

/** Remembers the tweet of a response or of an event. */
function note(operation: Operation, data: unknown): void {
  const id = tweetIn(operation, data);
  if (id !== null) seen.set(id);
}

function noteEvent({ data }: ExecutionResult): void {
  const { operation } = feed.state.get();
  if (operation) note(operation, data);
}

export default function Editor() {
  const isLive = useStore(feed.state).is === "live";
  const monaco = useMonaco((state) => state.monaco);
  useEffect(() => {
    if (!monaco) return undefined;
    defineThemes(monaco.editor.defineTheme);
    return configure(monaco.editor);
  }, [monaco]);
  useEffect(() => feed.resume({ next: noteEvent, complete: () => {} }), []);
  const container = useRef<HTMLDivElement>(null);
  useEffect(() => (container.current ? mend(container.current) : undefined), []);
  return (
    <div ref={container} className={isLive ? "frame feed-is-live" : "frame"}>
      <GraphiQL
        fetcher={fetcher}
        storage={editorStorage}
        defaultTabs={shared ? [shared, ...STORY] : [...STORY]}
        {...(shared && isKept() ? { initialQuery: shared.query } : {})}
        {...(shared || !isKept() ? { initialVariables: first?.variables ?? "" } : {})}
        onTabChange={tabs.changed}
        defaultEditorToolsVisibility="variables"
        shouldPersistHeaders={false}
        showPersistHeadersSettings={false}
      >
        <GraphiQL.Logo>
          <RestoreTabs />
        </GraphiQL.Logo>
        <GraphiQL.Toolbar>
          {({ prettify, merge, copy }) => (
            <>
              {prettify}
              {merge}
              {copy}
              <Tools />
            </>
          )}
        </GraphiQL.Toolbar>
        <GraphiQL.Footer>
          <SchemaWatch />
          <TabStart tabs={tabs} />
          <RetweetOffer seen={seen} />
          <PluginSheet />
          <ResponseInView />
          <AnswerLine />
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
