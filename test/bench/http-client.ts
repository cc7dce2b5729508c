import { get, type IncomingMessage } from 'node:http';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';

/** What the benchmark asks of the process that this file is run in, with the port of the server as its argument. */
export type Question =
  | { readonly kind: 'get'; readonly path: string; readonly encoding: string }
  | { readonly kind: 'listen'; readonly clients: number }
  | { readonly kind: 'heard' };

export interface Got {
  /** Until the last byte. */
  readonly ms: number;
  readonly bytes: number;
  readonly status: number;
  readonly edges: number;
}

const port = Number(process.argv[2]);
let open: ReturnType<typeof get>[] = [];
let heard = { events: 0, bytes: 0 };

function ask(path: string, headers: Readonly<Record<string, string>>, onResponse: (response: IncomingMessage) => void) {
  return get({ host: '127.0.0.1', port, path, headers }, onResponse);
}

async function fetched(path: string, encoding: string): Promise<Got> {
  const start = performance.now();
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    ask(path, { 'accept-encoding': encoding }, resolve).on('error', reject);
  });
  const parts: Buffer[] = await response.toArray();
  const ms = performance.now() - start;
  const bytes = Buffer.concat(parts);
  const graph = JSON.parse(plain(bytes, response.headers['content-encoding'])) as { readonly edges: unknown[] };
  return { ms, bytes: bytes.length, status: response.statusCode ?? 0, edges: graph.edges.length };
}

function plain(bytes: Buffer, encoding: string | undefined): string {
  switch (encoding) {
    case 'zstd':
      return zstdDecompressSync(bytes).toString();
    case 'br':
      return brotliDecompressSync(bytes).toString();
    case 'gzip':
      return gunzipSync(bytes).toString();
    default:
      return bytes.toString();
  }
}

/** Every event has one, and nothing else has: `data` is JSON without line breaks. */
const endOfEvent = Buffer.from('\n\n');

function listening(): Promise<ReturnType<typeof get>> {
  return new Promise((resolve, reject) => {
    const request = ask('/api/v1/events', {}, (response) => {
      if (response.statusCode !== 200) reject(new Error(`no stream: ${response.statusCode}`));
      response.on('data', (part: Buffer) => {
        heard.bytes += part.length;
        if (part.subarray(-endOfEvent.length).equals(endOfEvent)) heard.events++;
      });
      response.on('error', () => undefined);
      resolve(request);
    }).on('error', reject);
  });
}

process.on('message', (question: Question) => {
  void (async () => {
    switch (question.kind) {
      case 'get':
        process.send?.(await fetched(question.path, question.encoding));
        break;
      case 'listen':
        for (const request of open) request.destroy();
        // there are only so many for one caller
        await new Promise((resolve) => setTimeout(resolve, 300));
        open = await Promise.all(Array.from({ length: question.clients }, listening));
        heard = { events: 0, bytes: 0 };
        process.send?.(open.length);
        break;
      case 'heard':
        process.send?.(heard);
        break;
    }
  })();
});
