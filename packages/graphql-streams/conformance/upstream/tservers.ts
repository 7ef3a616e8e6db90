// Replaces tests/utils/tservers.ts of graphql-ws: the server is this package, behind a proxy that
// shows its sockets to the test. A server with options of graphql-ws's own API is not applicable.
import { EventEmitter } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll } from 'vitest';
import WebSocket, { WebSocketServer } from 'ws';
import { pong } from '../fixtures/simple';

const TARGET = process.env.STREAMS_URL!.replace(/^http/, 'ws');
const leftovers: (() => Promise<void>)[] = [];
afterAll(async () => {
  while (leftovers.length) await leftovers.pop()!();
});

const notApplicable = (what: string): never => {
  throw new Error(`NOT APPLICABLE: ${what}`);
};

export const startRawServer = () => notApplicable('a WebSocket server that is not GraphQL');
export const startUWSTServer = startRawServer;
export const startFastifyWSTServer = startRawServer;
export const startCrossWSTServer = startRawServer;
export const tServers = {};

// A queue of events: those that came before a test waits count.
class Events<T> {
  private readonly emitter = new EventEmitter();
  private readonly pending: T[] = [];

  add(value: T) {
    this.pending.push(value);
    this.emitter.emit('added');
  }

  wait = (test?: (value: T) => void, expire?: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const done = () => {
        const value = this.pending.shift()!;
        try {
          test?.(value);
          resolve();
        } catch (error) {
          reject(error);
        }
      };
      if (this.pending.length) return done();
      this.emitter.once('added', done);
      if (expire)
        setTimeout(() => {
          this.emitter.off('added', done);
          resolve();
        }, expire);
    });
}

const toClient = (socket: WebSocket) => ({
  socket,
  send: (data: string) => socket.send(data),
  onMessage(callback: (message: string) => void) {
    const listener = (data: unknown) => callback(String(data));
    socket.on('message', listener);
    return () => socket.off('message', listener);
  },
  close: (code?: number, reason?: string) => socket.close(code, reason),
});

const closeLike = (socket: WebSocket, code: number, reason: Buffer) => {
  if (code === 1006) socket.terminate();
  else if (code === 1005) socket.close();
  else socket.close(code, reason);
};

export async function startWSTServer(options: Record<string, unknown> = {}, keepAlive?: number) {
  const { connectionInitWaitTimeout, ...others } = options;
  const unsupported = [...Object.keys(others), ...(keepAlive === undefined ? [] : ['keepAlive'])];
  if (unsupported.length) notApplicable(`the option ${unsupported.join(', ')}`);
  const target = connectionInitWaitTimeout ? `${TARGET}/init/${connectionInitWaitTimeout}` : TARGET;

  const clients = new Events<ReturnType<typeof toClient>>();
  const connects = new Events<unknown>();
  const operations = new Events<void>();
  const completes = new Events<void>();
  const closes = new Events<void>();

  const server = new WebSocketServer({ port: 0, path: '/simple' });
  server.on('connection', (socket) => {
    clients.add(toClient(socket));
    const running = new Set<string>();
    const ended = (id: string) => running.delete(id) && completes.add();
    let connectionParams: unknown;
    const upstream = new WebSocket(target, socket.protocol || []);
    const opened = new Promise<void>((resolve) => upstream.once('open', () => resolve()));
    upstream.on('error', () => undefined);

    socket.on('message', async (data, isBinary) => {
      await opened;
      upstream.send(data, { binary: isBinary });
      const message = parsed(String(data));
      if (message.type === 'connection_init') connectionParams = message.payload;
      if (message.type === 'subscribe') {
        running.add(message.id);
        operations.add();
      }
      if (message.type === 'complete') ended(message.id);
    });
    upstream.on('message', (data, isBinary) => {
      socket.send(data, { binary: isBinary });
      const message = parsed(String(data));
      if (message.type === 'connection_ack') connects.add({ connectionParams, extra: { socket } });
      if (message.type === 'complete' || message.type === 'error') ended(message.id);
    });
    upstream.on('close', (code, reason) => closeLike(socket, code, reason));
    socket.on('close', async (code, reason) => {
      running.forEach(ended);
      closes.add();
      await opened;
      closeLike(upstream, code, reason);
    });
  });
  await new Promise((resolve) => server.once('listening', resolve));

  let disposing: Promise<void> | undefined;
  const dispose = (beNice?: boolean) => {
    disposing ??= new Promise((resolve) => {
      for (const socket of server.clients) beNice ? socket.close(1001, 'Going away') : socket.terminate();
      server.close(() => resolve());
    });
    return disposing;
  };
  leftovers.push(dispose);

  return {
    url: `ws://localhost:${(server.address() as AddressInfo).port}/simple`,
    server,
    getClients: () => Array.from(server.clients, toClient),
    pong,
    waitForClient: clients.wait,
    waitForConnect: connects.wait,
    waitForOperation: operations.wait,
    waitForComplete: completes.wait,
    waitForClientClose: closes.wait,
    dispose,
  };
}

function parsed(text: string): any {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
