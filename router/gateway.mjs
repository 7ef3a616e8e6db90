// Stands in for the Apollo Router where its binary cannot be had: Apollo's own Node gateway on the
// same supergraph, with the header rules, limits and answers of router.yaml as near as it can.
// For laptops and tests; production runs the Apollo Router.
import { readFileSync } from "node:fs";
import http from "node:http";
import { ApolloGateway, RemoteGraphQLDataSource } from "@apollo/gateway";
import { ApolloServer, HeaderMap } from "@apollo/server";
import { GraphQLError, Kind, Lexer, Source, TokenKind, parse } from "graphql";

const MAX_BODY_BYTES = 300_000;
const MAX_TOKENS = 2000;
const MAX_SELECTIONS = 10_000;
const MAX_RECURSION = 100;
const REQUEST_TIMEOUT = 25_000;
const SUBGRAPH_TIMEOUT = 10_000;
// What a page of another origin may send without asking, and what shows that it did ask.
const SIMPLE_TYPES = ["", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];
const PREFLIGHT_HEADERS = ["apollo-require-preflight", "x-apollo-operation-name"];
const JSON_TYPES = ["application/json", "application/graphql-response+json"];
const DEEPER = {
  ...{ [TokenKind.BRACE_L]: 1, [TokenKind.PAREN_L]: 1, [TokenKind.BRACKET_L]: 1 },
  ...{ [TokenKind.BRACE_R]: -1, [TokenKind.PAREN_R]: -1, [TokenKind.BRACKET_R]: -1 },
};
const PROPAGATED = /^(x-auth-.*|x-router-secret|x-client-address|x-request-id|user-agent|traceparent)$/;

const setting = (name) => process.env[name] ?? fail(`${name} is not set`);
const [host, port] = setting("ROUTER_LISTEN").split(/:(?=\d+$)/);

class Subgraph extends RemoteGraphQLDataSource {
  willSendRequest({ request, context }) {
    for (const [name, value] of Object.entries(context.headers ?? {})) {
      if (PROPAGATED.test(name)) request.http.headers.set(name, value);
    }
  }

  async process(options) {
    try {
      return await super.process(options);
    } catch (error) {
      // The router tells of a subgraph that fails in the words of HTTP.
      const { status, statusText } = error.extensions?.response ?? {};
      const detail = status ? `: ${status}: ${statusText}` : "";
      throw new GraphQLError(`HTTP fetch failed from '${this.name}'${detail}`, { extensions: { code: "SUBREQUEST_HTTP_ERROR" } });
    }
  }
}

const gateway = new ApolloGateway({
  supergraphSdl: readFileSync(new URL("supergraph.graphql", import.meta.url), "utf8"),
  buildService: ({ name }) =>
    new Subgraph({ name, url: setting(`${name.toUpperCase()}_URL`), fetcher }),
});

function fetcher(url, options) {
  return fetch(url, { ...options, signal: AbortSignal.timeout(SUBGRAPH_TIMEOUT) });
}

const server = new ApolloServer({
  gateway,
  introspection: process.env.ROUTER_INTROSPECTION === "true",
  csrfPrevention: false, // done below, with the router's words
  allowBatchedHttpRequests: false,
  includeStacktraceInErrorResponses: false,
  stopOnTerminationSignals: false,
  plugins: [{ requestDidStart: async () => ({ willSendResponse: async ({ response }) => correctStatus(response) }) }],
  formatError: ({ message, locations, path, extensions }) => ({
    message,
    ...(locations && { locations }),
    ...(path && { path }),
    extensions: {
      code: CODES[extensions?.code] ?? extensions?.code ?? "INTERNAL_SERVER_ERROR",
      ...(extensions?.reason && { reason: extensions.reason }),
    },
  }),
});

// Where the two call the same thing by different names, the router's is used.
const CODES = {
  BAD_REQUEST: "INVALID_GRAPHQL_REQUEST",
  GRAPHQL_PARSE_FAILED: "PARSING_ERROR",
  INVALID_GRAPHQL: "GRAPHQL_VALIDATION_FAILED",
};

// An operation that the planner cannot plan (of an unknown name, a subscription) is the client's fault.
function correctStatus({ body, http: { status } = {}, http }) {
  const errors = body.kind === "single" ? (body.singleResult.errors ?? []) : [];
  if (status === 500 && errors.some(({ extensions }) => extensions?.code === CODES.INVALID_GRAPHQL)) http.status = 400;
}

async function answer(request) {
  const url = new URL(request.url, "http://router");
  if (url.pathname === "/health") return { status: 200, body: JSON.stringify({ status: "UP" }) };
  if (url.pathname !== "/graphql") return { status: 404, body: "" };
  if (!["GET", "POST"].includes(request.method)) return { status: 405, body: "" };

  const headers = new HeaderMap(Object.entries(request.headers).map(([name, value]) => [name, [value].flat().join(", ")]));
  const type = (headers.get("content-type") ?? "").split(";")[0].trim().toLowerCase();
  if (SIMPLE_TYPES.includes(type) && !PREFLIGHT_HEADERS.some((name) => headers.get(name))) {
    return refusal(400, "CSRF_ERROR", "this operation has been blocked as a potential Cross-Site Request Forgery (CSRF)");
  }
  let body;
  if (request.method === "POST") {
    if (!JSON_TYPES.includes(type)) return refusal(415, "INVALID_CONTENT_TYPE_HEADER", "the content type must be application/json");
    const text = await readBody(request);
    if (text === undefined) return refusal(413, "INVALID_GRAPHQL_REQUEST", "payload too large");
    try {
      body = JSON.parse(text);
    } catch {
      return refusal(400, "INVALID_GRAPHQL_REQUEST", "the body is not valid JSON");
    }
    if (Array.isArray(body)) return refusal(400, "BATCHING_NOT_ENABLED", "batching is not enabled");
    if (body === null || typeof body !== "object") return refusal(400, "INVALID_GRAPHQL_REQUEST", "the body is not a GraphQL request");
  }
  const query = body?.query ?? url.searchParams.get("query");
  if (typeof query === "string" && isTooLarge(query)) return refusal(400, "PARSING_ERROR", "token or recursion limit reached");

  const result = await server.executeHTTPGraphQLRequest({
    httpGraphQLRequest: { method: request.method, headers, search: url.search, body },
    context: async () => ({ headers: Object.fromEntries(headers) }),
  });
  if (result.body.kind !== "complete") return refusal(406, "NOT_ACCEPTABLE", "incremental delivery is not available");
  return { status: result.status ?? 200, headers: result.headers, body: result.body.string };
}

// Undefined when there is more of it than allowed; the rest is not read.
async function readBody(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
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
    // Not GraphQL: parsing will say what is wrong.
  }
  return false;
}

// With every fragment spread out, as planning does; each is counted once.
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
      known.set(name, 0); // a cycle is for validation to refuse
      known.set(name, fragments.has(name) ? size(fragments.get(name).selectionSet) : 0);
    }
    return known.get(name);
  };
  return document.definitions.some(({ kind, selectionSet }) => kind === Kind.OPERATION_DEFINITION && size(selectionSet) > MAX_SELECTIONS);
}

function refusal(status, code, message) {
  return { status, body: JSON.stringify({ errors: [{ message, extensions: { code } }] }) };
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
listener.listen(Number(port), host, () => console.log(`Apollo's Node gateway, the stand-in for the router, listens on ${host}:${port}`));

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    listener.close(() => process.exit(0));
    listener.closeIdleConnections();
    setTimeout(() => process.exit(0), 5000).unref();
  });
}
