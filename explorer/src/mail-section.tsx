/** Which mails the account gets. */

import { useId } from "react";

import { useAction, useLoading } from "./loading.ts";
import { changeMailSettings, mailSettings } from "./mail-settings.ts";
import { ask } from "./page.ts";
import { dateOf } from "./times.ts";

export function MailSection() {
  const id = useId();
  const { value, problem: unread, setValue } = useLoading(() => mailSettings(ask));
  const { busy, problem, act } = useAction();
  return (
    <section aria-labelledby={id}>
      <h3 id={id}>Mails</h3>
      {value === null && !unread && <p>Loading…</p>}
      {value && (
        <label className="choice">
          <input
            type="checkbox"
            checked={value.retweets}
            disabled={value.addressUnsubscribed}
            aria-disabled={busy}
            onChange={(event) => {
              const retweets = event.target.checked;
              if (!busy) void act(async () => setValue(await changeMailSettings(ask, retweets)));
            }}
          />
          <span>A mail when another user retweets you</span>
        </label>
      )}
      {value?.addressUnsubscribed && (
        <p>
          Your address was unsubscribed by the link in a mail. Only that link can undo it: open it
          and subscribe again.
        </p>
      )}
      {value && value.undeliverableSince !== null && (
        <p>
          The mail server refused your address on {dateOf(value.undeliverableSince)}. Verify it
          again to get mails.
        </p>
      )}
      <p role="alert" className="refusal">{problem ?? unread}</p>
    </section>
  );
}
