/** What an answer means for a person: which field, and what to do. The raw JSON stays beside it. */

import { type Answer, type ApiError, isRecord, type UnreachableError } from "./api.ts";
import { type Operation, Selected } from "./operation.ts";

export interface Notice {
  tone: "error" | "info";
  title: string;
  /** What is wrong, and where, as far as it is known. */
  details: readonly { where: string | null; text: string }[];
  advice: string | null;
  /** What kind of trouble it is, where the page itself has something to offer. */
  offer?: "sign-in" | "health";
}

const SIGN_IN = "Sign in at the top of the page, or run the SignIn tab.";
const WAIT = "The page looks after it and says when it is back. Then run the operation again.";

/** Null for an answer that is as it should be. */
export function explain(answer: Answer, operation: Operation | null): Notice | null {
  const { status, body } = answer;
  const errors = body.errors ?? [];
  if (status === 401) return refusedToken(errors);
  if (status === 502 || status === 503 || status === 504) {
    return {
      tone: "error",
      title: errors[0]?.message ?? `A service does not answer (status ${status}).`,
      details: [],
      advice: WAIT,
      offer: "health",
    };
  }
  if (errors.length > 0) return fromErrors(errors);
  return operation && body.data ? fromData(operation, body.data) : null;
}

export function explainUnreachable(error: UnreachableError): Notice {
  return {
    tone: "error",
    title: error.message,
    details: [],
    advice: `Is it running? ${WAIT}`,
    offer: "health",
  };
}

function refusedToken(errors: readonly ApiError[]): Notice {
  const reason = errors[0]?.extensions?.["reason"];
  const ended = reason === "SESSION_ENDED" || reason === "EXPIRED";
  return {
    tone: "error",
    title: errors[0]?.message ?? "The access token was refused.",
    details: [],
    advice: ended
      ? SIGN_IN
      : `The token in the Authorization header is not one of ours. Remove the header. ${SIGN_IN}`,
    offer: "sign-in",
  };
}

const VARIABLES = [
  "The variables do not fit.",
  "They are JSON, in the editor below the operation; it underlines what is wrong.",
] as const;

/** Per code: a title, and what to do. */
const CODES: Record<string, readonly [title: string, advice: string]> = {
  PARSING_ERROR: ["This is not GraphQL yet.", "The editor underlines where it goes wrong."],
  GRAPHQL_VALIDATION_FAILED: [
    "The operation does not fit the schema.",
    "The editor underlines what is wrong; Ctrl-Space completes, and the docs are at the left.",
  ],
  VALIDATION_INVALID_TYPE_VARIABLE: VARIABLES,
  UNAUTHENTICATED: ["Nobody is signed in.", SIGN_IN],
  FORBIDDEN: [
    "This session may not do that.",
    "Sign in without `scopes`, or with the scope that the message names.",
  ],
  BAD_USER_INPUT: VARIABLES,
  INTERNAL_SERVER_ERROR: ["Something failed on the server.", "Its log tells more. Try again."],
  SERVICE_UNAVAILABLE: ["Too much is going on, or a service is away.", "Try again shortly."],
};

function fromErrors(all: readonly ApiError[]): Notice {
  const errors = withoutRefusals(all);
  const details = errors.map((error) => ({ where: placeOf(error), text: error.message }));
  const away = errors.map(awayService).find((name) => name !== null);
  if (away) {
    return {
      tone: "error",
      title: `The service ${away} does not answer.`,
      details: details.filter(({ where }) => where).map(({ where }) => ({ where, text: "lost" })),
      advice: WAIT,
      offer: "health",
    };
  }
  const code = String(errors[0]?.extensions?.["code"] ?? "");
  const known = CODES[code] ?? CODES["GRAPHQL_VALIDATION_FAILED"]!;
  return {
    tone: "error",
    title: known[0],
    details,
    advice: known[1],
    ...(code === "UNAUTHENTICATED" ? { offer: "sign-in" as const } : {}),
  };
}

/** What a subgraph refuses (4xx) is told twice: by HTTP, and by the error that says why. */
function withoutRefusals(errors: readonly ApiError[]): readonly ApiError[] {
  const reasons = errors.filter(
    ({ message, extensions }) =>
      extensions?.["code"] !== "SUBREQUEST_HTTP_ERROR" || !/': 4\d\d: /.test(message),
  );
  return reasons.length > 0 ? reasons : errors;
}

/** The subgraph that gave no answer, as both routers tell it. */
function awayService({ message, extensions }: ApiError): string | null {
  if (extensions?.["code"] !== "SUBREQUEST_HTTP_ERROR") return null;
  return /fetch failed from '([\w-]+)'/.exec(message)?.[1] ?? "behind this field";
}

function placeOf({ path, locations, extensions }: ApiError): string | null {
  if (path && path.length > 0) return path.join(".");
  if (typeof extensions?.["name"] === "string") return `$${extensions["name"]}`;
  const at = locations?.[0];
  return at ? `line ${at.line}, column ${at.column}` : null;
}

/** Expected outcomes are data: members of a union with a message, and perhaps with problems. */
function fromData(operation: Operation, data: Record<string, unknown>): Notice | null {
  const answer = Selected.of(operation, data);
  if (operation.kind === "query" && operation.roots.has("tweet") && !answer.child("tweet")) {
    return NO_TWEET;
  }
  if (operation.kind !== "mutation") return null;
  const settings = answer.child("updateEmailSettings");
  if (settings?.child("addressUnsubscribed")?.value === true) return UNSUBSCRIBED;
  for (const root of operation.roots) {
    for (const result of answer.all(root)) {
      const type = result.text("__typename");
      const message = result.text("message");
      if (message === null && !type?.endsWith("Error")) continue;
      const problems = result.child("problems")?.value;
      return {
        tone: "error",
        title: message ?? `${root} answered ${type}.`,
        details: (Array.isArray(problems) ? problems : []).filter(isRecord).map((problem) => ({
          where: typeof problem["field"] === "string" ? problem["field"] : null,
          text: String(problem["message"] ?? ""),
        })),
        advice: ADVICE[type ?? ""] ?? "Change the variables below the editor and run it again.",
      };
    }
  }
  return null;
}

const NO_TWEET: Notice = {
  tone: "error",
  title: "There is no such tweet.",
  details: [],
  advice: "It may have been deleted. MyTweets shows the ids of your tweets.",
};

const UNSUBSCRIBED: Notice = {
  tone: "info",
  title: "The address of this account has unsubscribed from mails.",
  details: [],
  advice: "Only the link in one of these mails can take that back: open it and subscribe again.",
};

const ADVICE: Record<string, string> = {
  UsernameTakenError: "Choose another name in the variables, or sign in with the SignIn tab.",
  EmailTakenError: "Choose another address in the variables, or sign in with the SignIn tab.",
  InvalidCredentialsError: "Check name and password in the variables, or sign up first.",
  InvalidRefreshTokenError: SIGN_IN,
  TweetNotFoundError: "Put the id of a tweet into the variables: Tweet and MyTweets show some.",
};
