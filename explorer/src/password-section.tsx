/** The form that changes the password, with advice if it has leaked. */

import { type FormEvent, useId, useRef, useState } from "react";

import { useAction } from "./loading.ts";
import { breached, devices, post, session } from "./page.ts";
import { changePassword } from "./password.ts";
import { useStore } from "./store.ts";

export function PasswordSection({ changed }: { changed: () => void }) {
  const id = useId();
  const form = useRef<HTMLFormElement>(null);
  const isBreached = useStore(breached);
  const { busy, problem, act } = useAction();
  const [news, setNews] = useState<string | null>(null);

  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const values = new FormData(event.currentTarget);
    const text = (name: string): string => String(values.get(name) ?? "");
    void act(async () => {
      setNews(null);
      const passwords = { current: text("current"), new: text("new") };
      const result = await changePassword(post, session, devices, passwords);
      if (typeof result === "number") {
        form.current?.reset();
        breached.set(false);
        setNews(`Your password is changed. ${endedText(result)}`);
        changed();
        return null;
      }
      const problems = Object.values(result.fields);
      return problems.length > 0 ? problems.join(" ") : result.message;
    });
  };

  const field = (name: string, label: string, autoComplete: string) => (
    <label>
      <span>{label}</span>
      <input
        required
        name={name}
        type="password"
        autoComplete={autoComplete}
        aria-invalid={problem !== null}
        aria-describedby={problem === null ? undefined : `${id}-problem`}
      />
    </label>
  );

  return (
    <section aria-labelledby={id}>
      <h3 id={id}>Password</h3>
      {isBreached && (
        <p className="warning">
          Your password is in a list of leaked passwords. Choose another one, which you use nowhere
          else.
        </p>
      )}
      <details open={isBreached}>
        <summary>Change the password</summary>
        <form ref={form} onSubmit={submit}>
          {field("current", "Password so far", "current-password")}
          {field("new", "New password", "new-password")}
          <div className="buttons">
            <button type="submit" className="primary" disabled={busy}>
              Change the password
            </button>
          </div>
          <p role="alert" id={`${id}-problem`} className="refusal">{problem}</p>
        </form>
      </details>
      <p role="status" className="news">{news}</p>
    </section>
  );
}

function endedText(sessions: number): string {
  if (sessions === 0) return "You had no other sessions.";
  return sessions === 1 ? "Your other session has ended." : `Your ${sessions} other sessions have ended.`;
}
