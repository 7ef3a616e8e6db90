/** The part of the bar that asks for the code that verifies the user's address. */

import { type FormEvent, useId, useRef, useState } from "react";

import type { Refusal } from "./account.ts";
import { type Address, needsVerification } from "./address.ts";
import { UnreachableError } from "./api.ts";
import { address } from "./page.ts";
import { useStore } from "./store.ts";
import { dateOf } from "./times.ts";

const SENT = "A mail with another code is on its way.";

export function AddressPanel() {
  const known = useStore(address.state);
  if (!known || !needsVerification(known)) return null;
  return <Verification key={known.email} address={known} />;
}

function Verification({ address: { email, undeliverableSince } }: { address: Address }) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(false);
  const [news, setNews] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  const act = async (action: () => Promise<Refusal | null>, done: string): Promise<void> => {
    setBusy(true);
    setNews(null);
    setProblem(null);
    try {
      const refused = await action();
      if (refused) setProblem(refused.message);
      else setNews(done);
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      setProblem(error.message);
    } finally {
      setBusy(false);
      input.current?.focus();
    }
  };
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const code = String(new FormData(event.currentTarget).get("code") ?? "");
    void act(() => address.verify(code), "");
  };

  return (
    <form className="verification" aria-label="Verify your address" onSubmit={submit}>
      <p id={`${id}-why`} className="reason">
        {undeliverableSince === null
          ? `${email} is not verified: no other mail is sent to it.`
          : `The mail server refused ${email} on ${dateOf(undeliverableSince)}. Verify it again.`}
      </p>
      <label>
        <span>Code from the mail</span>
        <input
          ref={input}
          required
          name="code"
          inputMode="numeric"
          autoComplete="one-time-code"
          spellCheck={false}
          aria-invalid={problem !== null}
          aria-describedby={problem === null ? `${id}-why` : `${id}-problem`}
        />
      </label>
      <button type="submit" className="primary" disabled={busy}>
        Verify
      </button>
      <button
        type="button"
        className="link"
        disabled={busy}
        onClick={() => void act(() => address.mailAgain(), SENT)}
      >
        Send the mail again
      </button>
      <p role="status" className="news">{news}</p>
      <p role="alert" id={`${id}-problem`} className="refusal">{problem}</p>
    </form>
  );
}
