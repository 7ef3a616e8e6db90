/** The mails that the signed-in user gets. */

import type { Ask } from "./signed.ts";

const FIELDS = "retweets addressUnsubscribed undeliverableSince";
export const MAIL_SETTINGS = `query MailSettings { me { emailSettings { ${FIELDS} } } }`;
export const CHANGE_MAIL_SETTINGS = `mutation ChangeMailSettings($retweets: Boolean!) {
  updateEmailSettings(input: { retweets: $retweets }) { ${FIELDS} }
}`;

export interface MailSettings {
  retweets: boolean;
  addressUnsubscribed: boolean;
  undeliverableSince: string | null;
}

export async function mailSettings(ask: Ask): Promise<MailSettings> {
  const { emailSettings } = (await ask(MAIL_SETTINGS))["me"] as { emailSettings: MailSettings };
  return emailSettings;
}

export async function changeMailSettings(ask: Ask, retweets: boolean): Promise<MailSettings> {
  return (await ask(CHANGE_MAIL_SETTINGS, { retweets }))["updateEmailSettings"] as MailSettings;
}
