// Replaces tests/utils/thandler.ts of graphql-sse: requests go to this package over HTTP, and each
// message of a stream is one value, as graphql-sse's handler yields them.
export function createTHandler(options: Record<string, unknown> = {}) {
  if (Object.keys(options).length) {
    throw new Error(`NOT APPLICABLE: the option ${Object.keys(options).join(', ')}`);
  }
  return {
    async handler(method: string, request: { search?: URLSearchParams; headers?: Record<string, string>; body?: unknown } = {}) {
      if (method !== 'POST') throw new Error(`NOT APPLICABLE: the method ${method}`);
      const response = await fetch(process.env.STREAMS_URL!, {
        method,
        headers: { 'content-type': 'application/json; charset=utf-8', ...request.headers },
        body: JSON.stringify(request.body),
      });
      const init = { status: response.status, headers: Object.fromEntries(response.headers) };
      const streams = init.headers['content-type']?.startsWith('text/event-stream');
      return [streams ? messages(response.body!) : await response.text(), init] as const;
    },
  };
}

async function* messages(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let text = '';
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
    text += new TextDecoder().decode(chunk);
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      yield text.slice(0, end + 2);
      text = text.slice(end + 2);
    }
  }
}

export function assertString(value: unknown): asserts value is string {
  if (typeof value !== 'string') throw new Error(`not a string: ${JSON.stringify(value)}`);
}

export function assertAsyncGenerator(value: unknown): asserts value is AsyncGenerator<string> {
  if (typeof (value as AsyncGenerator)?.next !== 'function') throw new Error(`no stream: ${JSON.stringify(value)}`);
}
