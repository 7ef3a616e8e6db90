/** The line below a response: its status, time and size, and the ids to look it up by. */

import { useGraphiQL } from "@graphiql/react";

import { traceUrl } from "./services.ts";
import { Store, useStore } from "./store.ts";
import { sizeOf, type Transfer } from "./transfer.ts";

/** By the id of the tab that shows the response. */
const transfers = new Store<ReadonlyMap<string, Transfer>>(new Map());

/** Sets what the line of a tab shows; null removes it. */
export function noteTransfer(tab: string, transfer: Transfer | null): void {
  const next = new Map(transfers.get());
  if (transfer) next.set(tab, transfer);
  else next.delete(tab);
  transfers.set(next);
}

export function AnswerLine() {
  const tab = useGraphiQL(({ tabs, activeTabIndex }) => tabs[activeTabIndex]?.id ?? "");
  const transfer = useStore(transfers).get(tab);
  if (!transfer) return null;
  const { status, milliseconds, bytes, requestId, traceId } = transfer;
  const url = traceId === null ? null : traceUrl(traceId);
  return (
    <p className="answer">
      <span>Status {status}</span>
      <span>{milliseconds} ms</span>
      <span>{sizeOf(bytes)}</span>
      {requestId && (
        <span>
          Request <code>{requestId}</code>
        </span>
      )}
      {traceId && (
        <span>
          {url ? (
            <a href={url} target="_blank" rel="noreferrer">
              Trace
            </a>
          ) : (
            <>
              Trace <code>{traceId}</code>
            </>
          )}
        </span>
      )}
    </p>
  );
}
