/** Changes the password of the signed-in user. */

import { type Refusal, refusalOf } from "./account.ts";
import type { Post } from "./api.ts";
import type { Devices } from "./devices.ts";
import type { Session } from "./session.ts";
import { sendSigned } from "./signed.ts";

export const CHANGE_PASSWORD = `mutation ChangePassword($current: String!, $new: String!) {
  changePassword(currentPassword: $current, newPassword: $new) {
    __typename
    ... on PasswordChanged { deviceToken sessionIds }
    ... on Error { message }
    ... on InvalidInputError { problems { field message } }
  }
}`;

/** Returns the number of other sessions that ended, or why the change was refused. */
export async function changePassword(
  post: Post,
  session: Session,
  devices: Devices,
  passwords: { current: string; new: string },
): Promise<number | Refusal> {
  const { answer } = await sendSigned(post, session, {
    query: CHANGE_PASSWORD,
    variables: passwords,
  });
  const result = answer.body.data?.["changePassword"] as
    | { __typename: string; deviceToken: string; sessionIds: string[] }
    | undefined;
  if (result?.__typename !== "PasswordChanged") return refusalOf(answer.body, "changePassword");
  const username = session.tokens?.username;
  if (username) devices.keep(result.deviceToken, username);
  return result.sessionIds.length;
}
