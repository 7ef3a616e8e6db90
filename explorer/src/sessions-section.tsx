/** The sessions of the account: each other one can be ended, or all of them. */

import { type FormEvent, useEffect, useRef, useState } from "react";

import { useAction, useLoading } from "./loading.ts";
import { ask, post, session } from "./page.ts";
import { deviceOf, endSessions, type OpenSession, openSessions, reauthenticate } from "./sessions.ts";
import { dateOf, timeOf } from "./times.ts";

interface Props {
  version: number;
  changed: () => void;
}

export function SessionsSection({ version, changed }: Props) {
  const { value: sessions, problem: unread } = useLoading(() => openSessions(ask), version);
  const { busy, problem, act } = useAction();
  const heading = useRef<HTMLHeadingElement>(null);
  /** The sessions that end once the password is entered. */
  const [waiting, setWaiting] = useState<readonly string[] | null>(null);
  const [news, setNews] = useState<string | null>(null);
  const others = (sessions ?? []).filter(({ current }) => !current).map(({ id }) => id);

  const end = (ids: readonly string[]): Promise<void> =>
    act(async () => {
      setNews(null);
      const result = await endSessions(ask, ids);
      setWaiting(result.is === "password" ? ids : null);
      if (result.is === "password") return null;
      // The button that was pressed is about to go.
      heading.current?.focus();
      changed();
      if (result.is === "refused") return result.why;
      setNews(ids.length === 1 ? "The session has ended." : `${ids.length} sessions have ended.`);
      return null;
    });

  return (
    <section aria-labelledby="sessions">
      <h3 id="sessions" ref={heading} tabIndex={-1}>
        Sessions
      </h3>
      {sessions === null && !unread && <p>Loading…</p>}
      <ul className="rows">
        {sessions?.map((item) => (
          <li key={item.id}>
            <Description of={item} />
            {!item.current && (
              <button
                type="button"
                aria-label={`End the session ${deviceOf(item)}, opened ${timeOf(item.createdAt)}`}
                disabled={busy}
                onClick={() => void end([item.id])}
              >
                End
              </button>
            )}
          </li>
        ))}
      </ul>
      {waiting ? (
        <PasswordAgain done={() => void end(waiting)} cancel={() => setWaiting(null)} />
      ) : (
        others.length > 0 && (
          <button type="button" disabled={busy} onClick={() => void end(others)}>
            Sign out everywhere else
          </button>
        )
      )}
      <p role="status" className="news">{news}</p>
      <p role="alert" className="refusal">{problem ?? unread}</p>
    </section>
  );
}

function Description({ of }: { of: OpenSession }) {
  return (
    <p>
      <strong>{deviceOf(of)}</strong> {of.current && <span className="mark">this device</span>}
      <small>
        {of.address}, opened {dateOf(of.createdAt)}, last used {timeOf(of.lastUsedAt)}
      </small>
    </p>
  );
}

/** The API wants the password again some time after the sign-in. */
function PasswordAgain({ done, cancel }: { done: () => void; cancel: () => void }) {
  const input = useRef<HTMLInputElement>(null);
  const { busy, problem, act } = useAction();
  useEffect(() => input.current?.focus(), []);
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const password = String(new FormData(event.currentTarget).get("password") ?? "");
    void act(async () => {
      const refusal = await reauthenticate(post, session, password);
      if (!refusal) done();
      else input.current?.focus();
      return refusal?.message ?? null;
    });
  };
  return (
    <form aria-label="Enter your password again" onSubmit={submit}>
      <p>You signed in some time ago. Enter your password again to end other sessions.</p>
      <label>
        <span>Password</span>
        <input
          ref={input}
          required
          name="password"
          type="password"
          autoComplete="current-password"
          aria-invalid={problem !== null}
          aria-describedby="password-again"
        />
      </label>
      <div className="buttons">
        <button type="submit" className="primary" disabled={busy}>
          Continue
        </button>
        <button type="button" onClick={cancel}>
          Cancel
        </button>
      </div>
      <p role="alert" id="password-again" className="refusal">{problem}</p>
    </form>
  );
}
