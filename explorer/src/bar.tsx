/** The bar at the top: the signed-in user, or a form to sign in. */

import { type FormEvent, useEffect, useId, useRef, useState } from "react";

import { enter, leave, type Refusal } from "./account.ts";
import { openAccount } from "./account-dialog.tsx";
import { UnreachableError } from "./api.ts";
import { needsVerification } from "./address.ts";
import { AddressPanel } from "./address-panel.tsx";
import { Drawer } from "./drawer.tsx";
import { address, breached, devices, post, session } from "./page.ts";
import { useStore } from "./store.ts";

export function Bar() {
  const state = useStore(session.state);
  return (
    <header className="bar">
      <a className="brand" href="/">
        <img src="/favicon.svg" alt="" width="26" height="26" />
        Chirp <span>explorer</span>
      </a>
      {state.is === "signed-in" ? (
        <Drawer key="account" label={<Account username={state.tokens.username} />} message={null}>
          <SignedIn username={state.tokens.username} renews={state.tokens.refreshToken !== null} />
          <AddressPanel />
        </Drawer>
      ) : (
        <Drawer key="sign-in" label="Sign in" message={state.why}>
          <SignedOut why={state.why} />
        </Drawer>
      )}
    </header>
  );
}

/** The label of the drawer with the account. */
function Account({ username }: { username: string | null }) {
  const known = useStore(address.state);
  return (
    <>
      <span className="unseen">Account of </span>
      {username ?? "unknown user"}
      {known && needsVerification(known) && <small>verify your address</small>}
    </>
  );
}

function SignedIn({ username, renews }: { username: string | null; renews: boolean }) {
  const [leaving, setLeaving] = useState(false);
  const known = useStore(address.state);
  const signOut = async (): Promise<void> => {
    setLeaving(true);
    await leave(post, session);
  };
  return (
    <div className="who">
      <span className="avatar" aria-hidden="true">
        {(username ?? "?").slice(0, 1).toUpperCase()}
      </span>
      <p role="status" className="name">
        <span className="unseen">Signed in as </span>
        <strong>{username ?? "unknown user"}</strong>
        {known && !needsVerification(known) && <small>{known.email}, verified</small>}
        {!renews && <small>until the access token expires</small>}
      </p>
      <button type="button" aria-haspopup="dialog" onClick={openAccount}>
        Account
      </button>
      <button type="button" disabled={leaving} onClick={() => void signOut()}>
        Sign out
      </button>
    </div>
  );
}

function SignedOut({ why }: { why: string | null }) {
  const id = useId();
  const form = useRef<HTMLFormElement>(null);
  const [isNew, setNew] = useState(false);
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const hasChosen = useRef(false);
  useEffect(() => {
    if (hasChosen.current) form.current?.querySelector("input")?.focus();
  }, [isNew]);

  const submit = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const values = new FormData(event.currentTarget);
    const text = (name: string): string => String(values.get(name) ?? "");
    setBusy(true);
    setRefusal(null);
    try {
      const email = isNew ? text("email") : null;
      const refused = await enter(post, session, devices, breached, {
        username: text("username"),
        password: text("password"),
        email,
      });
      if (!refused) return;
      setRefusal(refused);
      const first = Object.keys(refused.fields)[0] ?? "password";
      form.current?.querySelector<HTMLInputElement>(`[name="${first}"]`)?.focus();
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      setRefusal({ message: error.message, fields: {} });
    } finally {
      setBusy(false);
    }
  };

  const field = (name: string, label: string, type: string, autoComplete: string) => (
    <label>
      <span>{label}</span>
      <input
        required
        name={name}
        type={type}
        autoComplete={autoComplete}
        autoCapitalize="none"
        spellCheck={false}
        aria-invalid={refusal?.fields[name] !== undefined}
        aria-describedby={refusal ? id : undefined}
      />
    </label>
  );

  return (
    <form ref={form} className="sign-in" onSubmit={(event) => void submit(event)}>
      {!refusal && why && <p role="status" className="why">{why}</p>}
      {field("username", isNew ? "Username" : "Username or e-mail", "text", "username")}
      {isNew && field("email", "E-mail", "email", "email")}
      {field("password", "Password", "password", isNew ? "new-password" : "current-password")}
      <button type="submit" className="primary" disabled={busy}>
        {isNew ? "Sign up" : "Sign in"}
      </button>
      <button
        type="button"
        className="link"
        onClick={() => {
          hasChosen.current = true;
          setNew(!isNew);
          setRefusal(null);
        }}
      >
        {isNew ? "I have an account" : "New here?"}
      </button>
      {!isNew && <a href="/account/forgot-password">Forgot password?</a>}
      <p role="alert" id={id} className="refusal">
        {refusal && textOf(refusal)}
      </p>
    </form>
  );
}

const LABELS: Record<string, string> = {
  username: "Username",
  email: "E-mail",
  password: "Password",
};

function textOf({ message, fields }: Refusal): string {
  const problems = Object.entries(fields).map(
    ([field, text]) => `${LABELS[field] ?? field}: ${text}`,
  );
  return problems.length > 0 ? problems.join(" ") : message;
}
