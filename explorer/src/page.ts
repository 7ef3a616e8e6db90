/** The composition root of the page: the parts that the first paint needs, without the editor. */

import { exchange } from "./account.ts";
import { AddressWatch } from "./address.ts";
import { post as send, type Post, UnreachableError } from "./api.ts";
import { Devices } from "./devices.ts";
import { askHealthz, HealthWatch } from "./health.ts";
import { Notices } from "./notices.ts";
import { Session } from "./session.ts";
import { sharedOperation } from "./share.ts";
import { asking } from "./signed.ts";
import { Store } from "./store.ts";

export const sleep = (milliseconds: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });

export const health = new HealthWatch(askHealthz, sleep);

export const post: Post = async (request, options) => {
  try {
    const answer = await send(request, options);
    if (answer.status >= 502 && answer.status <= 504) void health.look();
    return answer;
  } catch (error) {
    if (error instanceof UnreachableError) void health.look();
    throw error;
  }
};

export const devices = new Devices(localStorage);
/** The operation of the link that opened the page. */
export const shared = sharedOperation(location.hash);
addEventListener("hashchange", () => {
  if (sharedOperation(location.hash)) location.reload();
});
if (devices.take(location.hash) || shared) history.replaceState(null, "", location.pathname);

export const session = new Session({
  exchange: exchange(post, devices),
  storage: sessionStorage,
  channel: new BroadcastChannel("chirp.session"),
  now: Date.now,
  later: (run, milliseconds) => {
    const timer = setTimeout(run, milliseconds);
    return () => clearTimeout(timer);
  },
});

/** Asks the API as the signed-in user. */
export const ask = asking(post, session);

export const address = new AddressWatch(post, session);
addEventListener("focus", () => void address.returned());

export const notices = new Notices();
health.state.subscribe(() => {
  if (health.state.get() === "back") notices.recovered();
});

/** Whether the dialog with the account is open. */
export const accountIsOpen = new Store(false);

/** Whether the password of the last sign-in is in a list of leaked ones. */
export const breached = new Store(false);
