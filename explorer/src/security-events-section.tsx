/** What happened to the account lately. */

import { useId } from "react";

import { useAction, useLoading } from "./loading.ts";
import { ask } from "./page.ts";
import { type SecurityEvent, securityEvents } from "./security-events.ts";
import { deviceOf } from "./sessions.ts";
import { timeOf } from "./times.ts";

export function SecurityEventsSection({ version }: { version: number }) {
  const id = useId();
  const { value, problem: unread, setValue } = useLoading(() => securityEvents(ask, null), version);
  const { busy, problem, act } = useAction();
  const more = (next: string): Promise<void> =>
    act(async () => {
      const older = await securityEvents(ask, next);
      setValue({ ...older, events: [...(value?.events ?? []), ...older.events] });
    });
  return (
    <section aria-labelledby={id}>
      <h3 id={id}>Security events</h3>
      {value === null && !unread && <p>Loading…</p>}
      <ol className="rows">
        {value?.events.map((event) => (
          <li key={event.id}>
            <p>
              {event.description}
              <small>
                <time dateTime={event.at}>{timeOf(event.at)}</time>
                {placeOf(event)}
              </small>
            </p>
          </li>
        ))}
      </ol>
      {value && value.next !== null && (
        <button type="button" aria-disabled={busy} onClick={() => busy || void more(value.next!)}>
          Show older ones
        </button>
      )}
      <p role="alert" className="refusal">{problem ?? unread}</p>
    </section>
  );
}

function placeOf(event: SecurityEvent): string {
  if (event.byOperator) return ", by an operator of this system";
  return event.address === null ? "" : `, ${deviceOf(event)}, ${event.address}`;
}
