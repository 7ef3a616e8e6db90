/** Explains a response to the user: which field, and what to do. The raw JSON is shown too. */

import { type Answer, type ApiError, isRecord, type UnreachableError } from "./api.ts";
import { countOperations, excessOf } from "./document.ts";
import { type Operation, Selected } from "./operation.ts";

export interface Notice {
  tone: "error" | "info";
  title: string;
  /** The problems, and where they are if that is known. */
  details: readonly { where: string | null; text: string }[];
  advice: string | null;
  /** What the page itself offers to solve the problem. */
  offer?: "sign-in" | "health";
}

const SIGN_IN = "Sign in at the top of the page, or run the SignIn tab.";
const WAIT = "This page checks until it answers. Then run the operation again.";

/** Returns null for a successful response. `query` is the document that was sent. */
export function explain(
  { status, body }: Answer,
  operation: Operation | null,
  query: string,
): Notice | null {
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
  if (errors.length > 0) return withoutOperation(query, operation) ?? fromErrors(status, errors, query);
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
      : `The token in the Authorization header is not valid. Remove the header. ${SIGN_IN}`,
    offer: "sign-in",
  };
}

/** Explains why a subscription was refused. */
export function inOneLine(errors: readonly ApiError[], query: string): string {
  const { title, details, advice } = fromErrors(400, errors, query);
  return [title, ...details.map(({ text }) => text), advice].filter(Boolean).join(" ");
}

const UNSENT = "Request not sent. ";

/** Explains what GraphiQL shows as a response without sending a request; null for others. */
export function explainUnsent(response: string): Notice | null {
  if (!response.includes(UNSENT)) return null;
  const message = /"message": "(.*)"/.exec(response)?.[1] ?? "";
  return {
    tone: "error",
    title: "The request was not sent.",
    details: [{ where: null, text: message.replace(UNSENT, "") }],
    advice: "Change the JSON below the operation; the editor underlines errors.",
  };
}

const VARIABLES = [
  "The variables are invalid.",
  "Change the JSON below the operation; the editor underlines errors.",
] as const;

const SYNTAX = ["The operation has a syntax error.", "The editor underlines it."] as const;

/** The title and the advice for each code. */
const CODES: Record<string, readonly [title: string, advice: string]> = {
  PARSING_ERROR: SYNTAX,
  GRAPHQL_PARSE_FAILED: SYNTAX,
  GRAPHQL_VALIDATION_FAILED: [
    "The operation does not match the schema.",
    "The editor underlines errors; Ctrl-Space completes names, and the docs are on the left.",
  ],
  VALIDATION_INVALID_TYPE_VARIABLE: VARIABLES,
  UNAUTHENTICATED: ["You are not signed in.", SIGN_IN],
  FORBIDDEN: [
    "This session lacks a scope.",
    "Sign in without `scopes`, or with the scope that the message names.",
  ],
  BAD_USER_INPUT: VARIABLES,
  TOO_MANY_REQUESTS: ["Too many at once.", "Close what you do not need, then run it again."],
  INTERNAL_SERVER_ERROR: ["The server failed.", "Try again. If you run Chirp yourself, see its log."],
  SERVICE_UNAVAILABLE: ["A service is overloaded or does not answer.", "Try again shortly."],
};

const LIMIT = [
  "The request exceeds a limit.",
  "Chirp is well: the request is too large. Split it up, or select less.",
] as const;
const REFUSED = [
  "Chirp refused this request.",
  "Chirp is well: the request must change before it is sent again.",
] as const;
const FAILED = ["The operation failed.", "Try again. If you run Chirp yourself, see its log."] as const;

function fromErrors(status: number, all: readonly ApiError[], query: string): Notice {
  const errors = withoutRefusals(all);
  const details = errors.map((error) => ({ where: locationOf(error), text: error.message }));
  if (errors.some(isLimit)) {
    const excess = errors.some((error) => reasonOf(error) === "LIMIT_EXCEEDED") ? null : excessOf(query);
    const [title, advice] = LIMIT;
    return { tone: "error", title, details: excess ? [{ where: null, text: excess }] : details, advice };
  }
  const service = errors.map(unreachableService).find((name) => name !== null);
  if (service) {
    return {
      tone: "error",
      title: `The service ${service} does not answer.`,
      details: details.filter(({ where }) => where).map(({ where }) => ({ where, text: "not loaded" })),
      advice: WAIT,
      offer: "health",
    };
  }
  const code = String(errors[0]?.extensions?.["code"] ?? "");
  const isRefusal = (status >= 400 && status < 500) || errors.some(isRefusedFetch);
  const [title, advice] = CODES[code] ?? (isRefusal ? REFUSED : FAILED);
  return {
    tone: "error",
    title,
    details,
    advice,
    ...(code === "UNAUTHENTICATED" ? { offer: "sign-in" as const } : {}),
  };
}

/** Explains a document without an operation, or with several of which none was chosen. */
function withoutOperation(query: string, operation: Operation | null): Notice | null {
  const count = operation ? null : countOperations(query);
  if (count === 0) {
    return {
      tone: "error",
      title: "There is no operation to run.",
      details: [],
      advice: "Write one into the editor, or choose one of the tabs.",
    };
  }
  if (count === null || count === 1) return null;
  return {
    tone: "error",
    title: `Which of the ${count} operations is to run?`,
    details: [],
    advice: "Put the cursor into it, and give each operation a name.",
  };
}

/** A refusal of a subgraph (4xx) is reported twice: as an HTTP error, and with its reason. */
function withoutRefusals(errors: readonly ApiError[]): readonly ApiError[] {
  const reasons = errors.filter((error) => !isRefusedFetch(error));
  return reasons.length > 0 ? reasons : errors;
}

function isRefusedFetch({ message, extensions }: ApiError): boolean {
  return extensions?.["code"] === "SUBREQUEST_HTTP_ERROR" && /': 4\d\d: /.test(message);
}

/** Returns whether a request was larger than a limit. The router's own limits have no reason. */
function isLimit(error: ApiError): boolean {
  const code = error.extensions?.["code"];
  return (
    reasonOf(error) === "LIMIT_EXCEEDED" ||
    (code === "PARSING_ERROR" && /\blimit\b/i.test(error.message))
  );
}

function reasonOf({ extensions }: ApiError): unknown {
  return extensions?.["reason"];
}

/** Returns the subgraph that did not answer, from the message of either router. */
function unreachableService(error: ApiError): string | null {
  const { message, extensions } = error;
  if (extensions?.["code"] !== "SUBREQUEST_HTTP_ERROR" || isRefusedFetch(error)) return null;
  return /fetch failed from '([\w-]+)'/.exec(message)?.[1] ?? "behind this field";
}

function locationOf({ path, locations, extensions }: ApiError): string | null {
  if (path && path.length > 0) return path.join(".");
  if (typeof extensions?.["name"] === "string") return `$${extensions["name"]}`;
  const at = locations?.[0];
  return at ? `line ${at.line}, column ${at.column}` : null;
}

/** Expected errors are data: members of a union with a message, some with problems. */
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
        title: message ?? `${root} returned ${type}.`,
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
  advice: "Only the link in one of these mails can undo that: open it and subscribe again.",
};

const ADVICE: Record<string, string> = {
  UsernameTakenError: "Choose another name in the variables, or sign in with the SignIn tab.",
  EmailTakenError: "Choose another address in the variables, or sign in with the SignIn tab.",
  InvalidCredentialsError: "Check the login and the password in the variables, or sign up first.",
  InvalidRefreshTokenError: SIGN_IN,
  ReauthenticationRequiredError: "Run the Reauthenticate tab, then this one again.",
  InvalidCodeError: "Put the code of the newest mail into the variables. The bar at the top sends another one.",
  TooManyAttemptsError: "Run it again after that time.",
  TweetNotFoundError: "Put the id of a tweet into the variables: the Tweet and MyTweets tabs show ids.",
};
