/** What helps through the tabs: closed ones return, a new one gets the focus, ids are filled in. */

import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { useEffect, useRef } from "react";

import { type SeenTweet, withTweet } from "./seen.ts";
import { missingFrom, STORY, titleOf, withStory } from "./story.ts";
import type { TabWatch } from "./tabs.ts";

/** Adds the closed tabs of the story again, each at its place. */
export function RestoreTabs() {
  const tabs = useGraphiQL((state) => state.tabs);
  const editor = useGraphiQL((state) => state.queryEditor);
  const { moveTab, changeTab } = useGraphiQLActions();
  const missing = missingFrom(tabs.map(({ title }) => title));
  const count = missing.length;
  if (count === 0) return null;
  const restore = (): void => {
    const added = missing.map((tab) => ({
      id: crypto.randomUUID(),
      hash: "",
      title: titleOf(tab),
      headers: null,
      operationName: titleOf(tab),
      response: null,
      ...tab,
    }));
    const all = withStory(tabs, added, STORY.map(titleOf));
    moveTab(all);
    changeTab(all.indexOf(added[0]!));
    editor?.focus();
  };
  return (
    <button type="button" className="restore" onClick={restore}>
      {count === 1 ? "Restore 1 tab" : `Restore ${count} tabs`}
    </button>
  );
}

/** Begins to follow the tabs, and moves the focus into the editor of each new one. */
export function TabStart({ tabs }: { tabs: TabWatch }) {
  const id = useGraphiQL((state) => state.tabs[state.activeTabIndex]?.id ?? "");
  const query = useGraphiQL((state) => state.tabs[state.activeTabIndex]?.query);
  const count = useGraphiQL((state) => state.tabs.length);
  const editor = useGraphiQL((state) => state.queryEditor);
  const before = useRef(count);
  useEffect(() => tabs.start(id), [tabs, id]);
  useEffect(() => {
    if (count > before.current && !query) editor?.focus();
    before.current = count;
  }, [count, query, editor]);
  return null;
}

/** Fills the id of the tweet that was seen last into the variables of the Retweet tab. */
export function RetweetOffer({ seen }: { seen: SeenTweet }) {
  const title = useGraphiQL((state) => state.tabs[state.activeTabIndex]?.title);
  const editor = useGraphiQL((state) => state.variableEditor);
  const offered = useRef<string | null>(null);
  useEffect(() => {
    const id = seen.get();
    if (title !== "Retweet" || !editor || id === null) return;
    const variables = withTweet(editor.getValue(), id, offered.current);
    if (variables === null) return;
    offered.current = id;
    editor.setValue(variables);
  }, [title, editor, seen]);
  return null;
}
