// Replaces tests/utils/tfetch.ts of graphql-sse: the server is this package. Options of graphql-sse's
// own handler and the "single connection mode" are not applicable.
import { queue } from './testkit';

const notApplicable = (what: string): never => {
  throw new Error(`NOT APPLICABLE: ${what}`);
};

export function createTFetch(options: Record<string, unknown> = {}) {
  if (Object.keys(options).length) notApplicable(`the option ${Object.keys(options).join(', ')}`);
  const requests = queue<Request>();
  const operations = queue<unknown>();
  const controllers = new Set<AbortController>();

  return {
    async fetch(input: RequestInfo, init?: RequestInit): Promise<Response> {
      if (init?.method === 'PUT') notApplicable('the single connection mode');
      const controller = new AbortController();
      init?.signal?.addEventListener('abort', () => controller.abort());
      requests.add(new Request(input, { ...init, signal: controller.signal }));
      const gone = new AbortController();
      controllers.add(gone);
      const response = await fetch(process.env.STREAMS_URL!, { ...init, signal: controller.signal });
      operations.add(undefined);
      return new Response(response.body && until(gone.signal, response.body), response);
    },
    waitForRequest: () => requests.next(),
    waitForOperation: () => operations.next(),
    // The server goes away: its streams end without their last event.
    async dispose() {
      await new Promise((resolve) => setTimeout(resolve, 0));
      controllers.forEach((controller) => controller.abort());
      controllers.clear();
      await new Promise((resolve) => setTimeout(resolve, 0));
    },
  };
}

function until(gone: AbortSignal, body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream({
    start(controller) {
      const end = () => {
        try {
          controller.close();
        } catch {
          // it has ended
        }
        void reader.cancel().catch(() => undefined);
      };
      if (gone.aborted) end();
      else gone.addEventListener('abort', end);
    },
    async pull(controller) {
      const { done, value } = await reader.read();
      if (gone.aborted) return;
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
