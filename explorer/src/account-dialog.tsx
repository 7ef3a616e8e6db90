/** The dialog with the account, loaded when it is first opened, and the warning that leads to it. */

import { lazy, Suspense, useEffect } from "react";

import { accountIsOpen, breached, session } from "./page.ts";
import { closePopover } from "./popover.tsx";
import { useStore } from "./store.ts";

const AccountPanel = lazy(() => import("./account-panel.tsx"));

export function AccountDialog() {
  const isOpen = useStore(accountIsOpen);
  const isSignedIn = useStore(session.state).is === "signed-in";
  useEffect(() => {
    if (isSignedIn) return;
    accountIsOpen.set(false);
    breached.set(false);
  }, [isSignedIn]);
  if (!isOpen || !isSignedIn) return null;
  return (
    <Suspense fallback={null}>
      <AccountPanel onClose={() => accountIsOpen.set(false)} />
    </Suspense>
  );
}

export function openAccount(): void {
  closePopover();
  accountIsOpen.set(true);
}

/** Shown after a sign-in with a password that has leaked, until it is changed or dismissed. */
export function BreachWarning() {
  if (!useStore(breached)) return null;
  return (
    <div role="alert" className="breached">
      <p>
        <strong>Your password is in a list of leaked passwords.</strong> Others may try it. Change it
        here, and wherever else you use it.
      </p>
      <button type="button" className="primary" onClick={openAccount}>
        Change it
      </button>
      <button type="button" onClick={() => breached.set(false)}>
        Later
      </button>
    </div>
  );
}
