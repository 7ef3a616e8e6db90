import { expect, test } from "vitest";

import type { Notice } from "../src/explain.ts";
import { Notices } from "../src/notices.ts";
import { TabWatch } from "../src/tabs.ts";

const NOTICE: Notice = { tone: "error", title: "No.", details: [], advice: null };
const OUTAGE: Notice = { ...NOTICE, offer: "health" };

function state(activeTabIndex: number, ...responses: (string | null)[]) {
  return { activeTabIndex, tabs: responses.map((response, index) => ({ id: `${index}`, response })) };
}

test("a notice belongs to its tab", () => {
  const notices = new Notices();
  notices.set("0", NOTICE);
  expect(notices.state.get().get("1")).toBeUndefined();
  expect(notices.state.get().get("0")).toBe(NOTICE);
  notices.set("0", null);
  expect(notices.state.get().size).toBe(0);
});

test("the end of an outage removes its notices only", () => {
  const notices = new Notices();
  notices.set("0", OUTAGE);
  notices.set("1", NOTICE);
  notices.recovered();
  expect([...notices.state.get().keys()]).toEqual(["1"]);
});

test("responses of the active tab are reported, other tabs' are not", () => {
  const heard: [string, string][] = [];
  const watch = new TabWatch((tab, response) => void heard.push([tab, response]));
  watch.start("0");
  watch.changed(state(0, "", null));
  watch.changed(state(0, "{}", null));
  watch.changed(state(1, "{}", "old"));
  watch.changed(state(1, "{}", "new"));
  expect(heard).toEqual([["0", ""], ["0", "{}"], ["1", "new"]]);
  expect(watch.active).toBe("1");
});

test("leaving a tab is not stopping its subscription, closing it is", async () => {
  const watch = new TabWatch(() => {});
  watch.start("0");
  watch.changed(state(0, "", null));
  let stopped = 0;
  const leave = async (next: ReturnType<typeof state>): Promise<void> => {
    watch.unlessChanging(() => void (stopped += 1));
    watch.changed(next);
    await Promise.resolve();
  };
  await leave(state(1, "", null));
  expect(stopped).toBe(0);
  await leave(state(0, ""));
  expect(stopped).toBe(1);
});
