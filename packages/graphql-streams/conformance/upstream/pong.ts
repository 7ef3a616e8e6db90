// Appended as tests/fixtures/simple.ts, whose own schema stays beside it: `pong` of the package.
export * from './simple.original';

export function pong(key: string): void {
  void fetch(`${process.env.STREAMS_URL}/pong/${encodeURIComponent(key)}`, { method: 'POST' });
}
