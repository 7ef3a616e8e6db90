// node audits.mjs URL: graphql-http's audits, of which each prints one line of JSON.
//
// They expect one JSON response. So each asks for a stream instead, and gets its first result with
// the response's own status and headers: application/json for server-sent events, which report an
// invalid operation with 200 as well, and application/graphql-response+json for multipart, which
// refuses it with 400.
import { serverAudits } from "graphql-http";

const ACCEPT = {
  "application/graphql-response+json": "multipart/mixed;subscriptionSpec=1.0, application/graphql-response+json",
};

async function streamed(url, init = {}) {
  const headers = new Headers(init.headers);
  headers.set("accept", ACCEPT[headers.get("accept")] ?? "text/event-stream");
  const response = await fetch(url, { ...init, headers });
  const type = response.headers.get("content-type") ?? "";
  const text = await response.text();
  return new Response(firstResult(type, text), { status: response.status, headers: response.headers });
}

function firstResult(type, text) {
  if (type.startsWith("text/event-stream")) return text.match(/^event: next\ndata: (.*)$/m)[1];
  if (!type.startsWith("multipart/mixed")) return text;
  const parts = text.split("--graphql").map((part) => part.slice(part.indexOf("\r\n\r\n") + 4).trim());
  return JSON.stringify(JSON.parse(parts.find((part) => part.includes('"payload"'))).payload);
}

for (const audit of serverAudits({ url: process.argv[2], fetchFn: streamed })) {
  const { id, name, status, reason } = await audit.fn();
  console.log(JSON.stringify({ id, name, status, reason }));
}
