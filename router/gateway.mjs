// Replaces the Apollo Router where its binary is not available: Apollo's Node gateway on the same
// supergraph, with the header rules, limits and answers of router.yaml as far as possible. For laptops
// and tests; production runs the Apollo Router.
import { readFileSync, watch } from "node:fs";
import http from "node:http";
import { ApolloGateway, RemoteGraphQLDataSource } from "@apollo/gateway";
import { prettyFormatQueryPlan } from "@apollo/query-planner";
import { ApolloServer, HeaderMap } from "@apollo/server";
import { GraphQLError, Kind, Lexer, Source, TokenKind, parse } from "graphql";

const MAX_BODY_BYTES = 300_000;
const MAX_TOKENS = 2000;
const MAX_SELECTIONS = 10_000;
const MAX_RECURSION = 100;
const REQUEST_TIMEOUT = 25_000;
const SUBGRAPH_TIMEOUT = 10_000;
const MAX_FETCHES = 20; // as in limits.rhai
const MUTATIONS = "x-router-mutations";
// For the log of the edge, which removes them from the response: the root field, and the result.
const OPERATION = "x-router-operation";
const OUTCOME = "x-router-outcome";
// Content types that a page of another origin may send without a preflight, and headers that prove one.
const SIMPLE_TYPES = ["", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];
const PREFLIGHT_HEADERS = ["apollo-require-preflight", "x-apollo-operation-name"];
const JSON_TYPES = ["application/json", "application/graphql-response+json"];
const DEEPER = {
  ...{ [TokenKind.BRACE_L]: 1, [TokenKind.PAREN_L]: 1, [TokenKind.BRACKET_L]: 1 },
  ...{ [TokenKind.BRACE_R]: -1, [TokenKind.PAREN_R]: -1, [TokenKind.BRACKET_R]: -1 },
};
const PROPAGATED = /^(x-auth-.*|x-router-secret|x-client-address|x-request-id|user-agent|traceparent)$/;

const SHOWS_PLANS = process.env.ROUTER_QUERY_PLANS === "true";

const setting = (name) => process.env[name] ?? fail(`${name} is not set`);
const [host, port] = setting("ROUTER_LISTEN").split(/:(?=\d+$)/);

class Subgraph extends RemoteGraphQLDataSource {
  willSendRequest({ request, context }) {
    for (const [name, value] of Object.entries(context.headers ?? {})) {
      if (PROPAGATED.test(name)) request.http.headers.set(name, value);
    }
    // The fetches of a mutation run one after the other; each gets the number of mutations before it.
    request.http.headers.set(MUTATIONS, String(context.mutations ?? 0));
  }

  didReceiveResponse({ response, context }) {
    context.mutations = (context.mutations ?? 0) + Number(response.http.headers.get(MUTATIONS) ?? 0);
    const name = response.http.headers.get(OPERATION);
    if (name && name !== "_entities") context.operation = [undefined, name].includes(context.operation) ? name : "several";
    const outcome = response.http.headers.get(OUTCOME);
    if (outcome && outcome !== "ok") context.outcome = outcome;
    return response;
  }

  async process(options) {
    try {
      return await super.process(options);
    } catch (error) {
      // As the router does: first the HTTP failure, then the errors of the subgraph.
      const { status, statusText, body } = error.extensions?.response ?? {};
      const message = `HTTP fetch failed from '${this.name}'${status ? `: ${status}: ${statusText}` : ""}`;
      const reasons = Array.isArray(body?.errors) ? body.errors : [];
      return { errors: [{ message, extensions: { code: "SUBREQUEST_HTTP_ERROR" } }, ...reasons] };
    }
  }
}

const supergraph = new URL("supergraph.graphql", import.meta.url);
const readSupergraph = () => readFileSync(supergraph, "utf8");

// As the router does with --hot-reload: a supergraph that the gateway refuses leaves the earlier one.
function reloadSupergraph(update) {
  const folder = new URL(".", supergraph);
  let current = readSupergraph();
  const watcher = watch(folder, (_, name) => {
    if (name !== "supergraph.graphql") return;
    try {
      const next = readSupergraph();
      if (next === current) return;
      update(next);
      current = next;
    } catch (error) {
      console.error(`gateway: the new supergraph is refused, the earlier one is served: ${error.message}`);
    }
  });
  return { supergraphSdl: current, cleanup: async () => watcher.close() };
}

const gateway = new ApolloGateway({
  supergraphSdl: process.env.APOLLO_ROUTER_HOT_RELOAD === "true" ? async ({ update }) => reloadSupergraph(update) : readSupergraph(),
  buildService: ({ name }) =>
    new Subgraph({ name, url: setting(`${name.toUpperCase()}_URL`), fetcher }),
  __exposeQueryPlanExperimental: false, // done below, as the router does
  experimental_didResolveQueryPlan({ queryPlan, requestContext }) {
    const fetches = countFetches(queryPlan.node);
    if (fetches > MAX_FETCHES) {
      throw refused(400, "GRAPHQL_VALIDATION_FAILED", `The operation takes ${fetches} fetches from subgraphs; ${MAX_FETCHES} are allowed. Split it up.`, { reason: "LIMIT_EXCEEDED" });
    }
    const { context, request } = requestContext;
    const wish = SHOWS_PLANS ? request.http?.headers.get("apollo-expose-query-plan") : null;
    if (wish === "true" || wish === "dry-run") context.plan = prettyFormatQueryPlan(queryPlan);
    context.isDryRun = wish === "dry-run";
    if (context.isDryRun) throw new Error("only the plan is wanted"); // see answerPlan
  },
});

// Adds the plan where the router does. A dry run has neither data nor errors.
function answerPlan({ contextValue: { plan, isDryRun }, response }) {
  if (!plan || response.body.kind !== "single") return;
  const { extensions, ...result } = response.body.singleResult;
  response.body.singleResult = {
    ...(isDryRun ? {} : result),
    extensions: { ...extensions, apolloQueryPlan: { text: plan } },
  };
  if (isDryRun) response.http.status = 200;
}

function countFetches(node) {
  if (!node) return 0;
  if (node.kind === "Fetch") return 1;
  if (node.kind === "Condition") return countFetches(node.ifClause) + countFetches(node.elseClause);
  return (node.nodes ?? [node.node]).reduce((sum, part) => sum + countFetches(part), 0);
}

function fetcher(url, options) {
  return fetch(url, { ...options, signal: AbortSignal.timeout(SUBGRAPH_TIMEOUT) });
}

const server = new ApolloServer({
  gateway,
  introspection: process.env.ROUTER_INTROSPECTION === "true",
  csrfPrevention: false, // done below, with the router's messages
  allowBatchedHttpRequests: false,
  includeStacktraceInErrorResponses: false,
  stopOnTerminationSignals: false,
  plugins: [{ requestDidStart: async () => ({ didResolveOperation: async (operation) => requireExecutable(operation), willSendResponse: async (answered) => {
    answerIntrospection(answered);
    answerPlan(answered);
    describe(answered);
  } }) }],
  formatError: ({ message, locations, path, extensions }, error) => ({
    message,
    ...(locations && { locations }),
    ...(path && { path }),
    extensions: { code: codeOf(error, extensions), ...(extensions?.reason && { reason: extensions.reason }) },
  }),
});

// Maps Apollo Server's error codes to the router's.
const CODES = {
  BAD_REQUEST: "INVALID_GRAPHQL_REQUEST",
  GRAPHQL_PARSE_FAILED: "PARSING_ERROR",
  INVALID_GRAPHQL: "GRAPHQL_VALIDATION_FAILED",
};

function codeOf({ nodes, message }, { code, validationErrorCode } = {}) {
  if (validationErrorCode === "INTROSPECTION_DISABLED") return validationErrorCode;
  if (nodes?.[0]?.kind === Kind.VARIABLE_DEFINITION && code === "BAD_USER_INPUT") return "VALIDATION_INVALID_TYPE_VARIABLE";
  if (message === "provided sha does not match query") return "PERSISTED_QUERY_HASH_MISMATCH";
  return CODES[code] ?? code ?? "INTERNAL_SERVER_ERROR";
}

// Before anything runs, because the gateway fails on a missing operation and on a subscription.
function requireExecutable({ document, operation, request, contextValue }) {
  if (!operation && request.operationName) {
    throw refused(400, "GRAPHQL_UNKNOWN_OPERATION_NAME", `Unknown operation named "${request.operationName}"`);
  }
  if (!operation) {
    const some = document.definitions.some(({ kind }) => kind === Kind.OPERATION_DEFINITION);
    throw refused(400, "GRAPHQL_VALIDATION_FAILED", some ? "Must provide operation name if query contains multiple operations." : "Must provide an operation.");
  }
  if (contextValue.method === "GET" && operation.operation === "mutation") {
    throw refused(405, "MUTATION_FORBIDDEN", "Mutations can only be sent over HTTP POST", { headers: [["allow", "POST"]] });
  }
  if (operation.operation === "subscription") {
    throw refused(406, "SUBSCRIPTION_BAD_HEADER", "Send a subscription with 'Accept: multipart/mixed;subscriptionSpec=1.0' or 'Accept: text/event-stream', or over a WebSocket.");
  }
}

// The router answers 200 to introspection that is switched off.
function answerIntrospection({ errors, response }) {
  const refusals = errors?.filter(({ extensions }) => extensions?.validationErrorCode === "INTROSPECTION_DISABLED");
  if (refusals?.length && refusals.length === errors.length) response.http.status = 200;
}

// The first error counts; without one, an error as data that a subgraph reported.
function describe({ contextValue, response }) {
  const { data, errors: [error] = [] } = response.body.singleResult ?? {};
  const outcome = error ? (error.extensions?.code ?? "unknown") : (contextValue.outcome ?? "ok");
  const asksNoSubgraph = outcome === "INTROSPECTION_DISABLED" || (outcome === "ok" && data);
  const operation = contextValue.operation ?? (asksNoSubgraph ? "introspection" : undefined);
  response.http.headers.set(OUTCOME, outcome);
  if (operation) response.http.headers.set(OPERATION, operation);
}

function refused(status, code, message, { headers = [], reason } = {}) {
  return new GraphQLError(message, { extensions: { code, ...(reason && { reason }), http: { status, headers: new HeaderMap(headers) } } });
}

async function answer(request) {
  const url = new URL(request.url, "http://router");
  if (url.pathname === "/health") return { status: 200, body: JSON.stringify({ status: "UP" }) };
  if (url.pathname !== "/graphql") return { status: 404, body: "" };
  if (!["GET", "POST"].includes(request.method)) return { status: 405, body: "" };

  const headers = new HeaderMap(Object.entries(request.headers).map(([name, value]) => [name, [value].flat().join(", ")]));
  const type = mediaType(headers.get("content-type") ?? "");
  if (SIMPLE_TYPES.includes(type) && !PREFLIGHT_HEADERS.some((name) => headers.get(name))) {
    return refusal(400, "CSRF_ERROR", "this operation has been blocked as a potential Cross-Site Request Forgery (CSRF)");
  }
  if (!(request.method === "GET" ? ["", JSON_TYPES[0]] : JSON_TYPES).includes(type)) {
    return refusal(415, "INVALID_CONTENT_TYPE_HEADER", "'content-type' must be application/json");
  }
  const accepted = (headers.get("accept") ?? "*/*").split(",").map(mediaType);
  if (!accepted.some((range) => range === "*/*" || JSON_TYPES.includes(range))) {
    return refusal(406, "INVALID_ACCEPT_HEADER", "'accept' must name application/json");
  }
  headers.set("accept", JSON_TYPES[0]);
  let body;
  try {
    body = request.method === "GET" ? parseSearch(url.searchParams) : parseBody(await readBody(request));
  } catch (error) {
    if (error instanceof TooLarge) return refusal(413, "INVALID_GRAPHQL_REQUEST", "payload too large");
    return refusal(400, "INVALID_GRAPHQL_REQUEST", `the request is not valid JSON: ${error.message}`);
  }
  if (Array.isArray(body)) return refusal(400, "BATCHING_NOT_ENABLED", "batching is not enabled");
  if (body === null || typeof body !== "object") return refusal(400, "INVALID_GRAPHQL_REQUEST", "the body is not a GraphQL request");
  if (body.operationName === "") body.operationName = null; // as the parameters of a GET have it
  if (body.extensions?.persistedQuery) body.extensions.persistedQuery = persistedQuery(body.extensions.persistedQuery);
  const { query } = body;
  if (typeof query === "string" ? !query.trim() : query == null && !body.extensions?.persistedQuery) {
    return refusal(400, "MISSING_QUERY_STRING", "Must provide query string.");
  }
  if (typeof query === "string" && isTooLarge(query)) return refusal(400, "PARSING_ERROR", "token or recursion limit reached");

  const result = await server.executeHTTPGraphQLRequest({
    httpGraphQLRequest: { method: "POST", headers, search: "", body },
    context: async () => ({ method: request.method, headers: Object.fromEntries(headers) }),
  });
  if (result.body.kind !== "complete") return refusal(406, "NOT_ACCEPTABLE", "incremental delivery is not available");
  if (!result.headers.has(OUTCOME)) result.headers.set(OUTCOME, JSON.parse(result.body.string).errors[0].extensions.code); // no plugin saw it
  return { status: result.status ?? 200, headers: result.headers, body: result.body.string };
}

function mediaType(value) {
  return value.split(";")[0].trim().toLowerCase();
}

class TooLarge extends Error {}

// Throws TooLarge as soon as the body exceeds the limit; the rest is not read.
async function readBody(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new TooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

// Refuses lone surrogates, and bytes that are not UTF-8 whatever the charset says.
function parseBody(bytes) {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  return JSON.parse(text, (key, value) => {
    if (!key.isWellFormed() || (typeof value === "string" && !value.isWellFormed())) throw new Error("lone surrogate in a string");
    return value;
  });
}

function parseSearch(parameters) {
  const { query, operationName = null, variables = "null", extensions = "null" } = Object.fromEntries(parameters);
  return { query, operationName, variables: JSON.parse(variables), extensions: JSON.parse(extensions) };
}

// Undefined for a malformed value, which the router ignores.
function persistedQuery({ version, sha256Hash }) {
  const isHash = typeof sha256Hash === "string" && /^[0-9a-f]{64}$/i.test(sha256Hash);
  return isHash && Number.isInteger(version) ? { version: 1, sha256Hash: sha256Hash.toLowerCase() } : undefined;
}

function isTooLarge(query) {
  return hasTooManyTokens(query) || hasTooManySelections(query);
}

function hasTooManyTokens(query) {
  const lexer = new Lexer(new Source(query));
  let depth = 0;
  try {
    for (let count = 0; lexer.advance().kind !== TokenKind.EOF; count++) {
      depth += DEEPER[lexer.token.kind] ?? 0;
      if (count >= MAX_TOKENS || depth > MAX_RECURSION) return true;
    }
  } catch {
    // Not GraphQL: the parser reports the error later.
  }
  return false;
}

// With every fragment expanded, as in planning; each fragment is measured once.
function hasTooManySelections(query) {
  let document;
  try {
    document = parse(query);
  } catch {
    return false;
  }
  const fragments = new Map(document.definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION).map((node) => [node.name.value, node]));
  const known = new Map();
  const size = ({ selections }) => selections.reduce((sum, node) => sum + 1 + (node.kind === Kind.FRAGMENT_SPREAD ? spread(node.name.value) : node.selectionSet ? size(node.selectionSet) : 0), 0);
  const spread = (name) => {
    if (!known.has(name)) {
      known.set(name, 0); // validation refuses cycles
      known.set(name, fragments.has(name) ? size(fragments.get(name).selectionSet) : 0);
    }
    return known.get(name);
  };
  return document.definitions.some(({ kind, selectionSet }) => kind === Kind.OPERATION_DEFINITION && size(selectionSet) > MAX_SELECTIONS);
}

function refusal(status, code, message) {
  return { status, headers: [[OUTCOME, code]], body: JSON.stringify({ errors: [{ message, extensions: { code } }] }) };
}

function withTimeout(promise) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, REQUEST_TIMEOUT, refusal(504, "GATEWAY_TIMEOUT", "the request timed out"));
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function fail(message) {
  console.error(`gateway: ${message}`);
  process.exit(1);
}

const listener = http.createServer(async (request, response) => {
  const result = await withTimeout(answer(request)).catch((error) => {
    console.error(error);
    return refusal(500, "INTERNAL_SERVER_ERROR", "internal server error");
  });
  if (result.status === 413) response.setHeader("connection", "close");
  for (const [name, value] of result.headers ?? []) response.setHeader(name, value);
  response.setHeader("content-type", "application/json");
  response.writeHead(result.status).end(result.body);
});
listener.keepAliveTimeout = 10_000;

await server.start();
listener.listen(Number(port), host, () => console.log(JSON.stringify({ level: "INFO", message: `Apollo's Node gateway, the stand-in for the router, listens on ${host}:${port}` })));

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    listener.close(() => process.exit(0));
    listener.closeIdleConnections();
    setTimeout(() => process.exit(0), 5000).unref();
  });
}
