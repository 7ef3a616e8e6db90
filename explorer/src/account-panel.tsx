/** The account of the signed-in user: address, sessions, mails, password and security events. */

import "./account-panel.css";

import { useState } from "react";

import { needsVerification } from "./address.ts";
import { AddressPanel } from "./address-panel.tsx";
import { Dialog } from "./dialog.tsx";
import { MailSection } from "./mail-section.tsx";
import { address, session } from "./page.ts";
import { PasswordSection } from "./password-section.tsx";
import { SecurityEventsSection } from "./security-events-section.tsx";
import { serves } from "./services.ts";
import { SessionsSection } from "./sessions-section.tsx";
import { useStore } from "./store.ts";

export default function AccountPanel({ onClose }: { onClose: () => void }) {
  const state = useStore(session.state);
  const known = useStore(address.state);
  // A change ends sessions or is an event: both are read again.
  const [changes, setChanges] = useState(0);
  const changed = (): void => setChanges((count) => count + 1);
  if (state.is === "signed-out") return null;
  return (
    <Dialog title={`Account of ${state.tokens.username ?? "unknown user"}`} onClose={onClose}>
      <section aria-label="Address">
        <h3>Address</h3>
        {known === null ? (
          <p>The address is not known: this session cannot read it.</p>
        ) : needsVerification(known) ? (
          <AddressPanel />
        ) : (
          <p>
            <strong>{known.email}</strong> is verified.
          </p>
        )}
      </section>
      <PasswordSection changed={changed} />
      <SessionsSection version={changes} changed={changed} />
      {serves("notifier") && <MailSection />}
      <SecurityEventsSection version={changes} />
    </Dialog>
  );
}
