import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { Agent, type Dispatcher, request } from 'undici';

/** The controller as the user reaches it. */
export interface Upstream {
  /** Without a slash at the end. */
  readonly url: string;
  /** Asked before every request: tokens are renewed. */
  readonly credentials: () => Promise<UpstreamCredentials>;
}

export interface UpstreamCredentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: {
    readonly ca?: string | undefined;
    readonly cert?: string | undefined;
    readonly key?: string | undefined;
    readonly servername?: string | undefined;
    readonly rejectUnauthorized?: boolean;
  };
}

/** What of a request goes on; credentials are the proxy's own. */
const forwarded = ['accept', 'accept-encoding', 'content-type', 'if-none-match', 'last-event-id', 'cache-control'];
/** What of an answer comes back. */
const returned = [
  'content-type',
  'content-encoding',
  'etag',
  'cache-control',
  'vary',
  'retry-after',
  'content-security-policy',
  'x-content-type-options',
  'referrer-policy',
  'cross-origin-opener-policy',
  'cross-origin-resource-policy',
  'x-frame-options',
  'permissions-policy',
];
const mostBodyBytes = 65_536;
const connectMs = 10_000;

/**
 * A server on this machine that passes requests on with the credentials of its user. Whoever else is on the machine can reach
 * it too, and so can pages in the browser: only requests whose path begins with a secret are passed on.
 */
export class UiProxy {
  readonly #upstream: Upstream;
  readonly #server: Server;
  readonly #secret = randomBytes(24).toString('base64url');
  #pool: { readonly identity: string; readonly agent: Agent } | undefined;

  private constructor(upstream: Upstream) {
    this.#upstream = upstream;
    this.#server = createServer({ requestTimeout: 15_000, headersTimeout: 15_000 }, (incoming, response) => {
      this.#serve(incoming, response).catch((error: unknown) => refuse(response, error));
    });
  }

  /** Rejects when the port cannot be had; 0: any. */
  static async open(upstream: Upstream, port: number): Promise<UiProxy> {
    const proxy = new UiProxy(upstream);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject);
      proxy.#server.listen(port, '127.0.0.1', resolve);
    });
    return proxy;
  }

  /** With the secret in it. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/${this.#secret}/`;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => void this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
    await this.#pool?.agent.destroy();
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { port } = this.#server.address() as AddressInfo;
    const path = this.#pathOf(incoming.url ?? '');
    const isOwn = incoming.headers.host === `127.0.0.1:${port}`;
    const origin = incoming.headers.origin;
    if (path === undefined || !isOwn || (origin !== undefined && origin !== `http://127.0.0.1:${port}`)) {
      response
        .writeHead(404, { 'Content-Type': 'text/plain', 'X-Content-Type-Options': 'nosniff' })
        .end('nothing is here\n');
      return;
    }
    if (incoming.method !== 'GET' && incoming.method !== 'POST') {
      response.writeHead(405, { 'Content-Type': 'text/plain' }).end('GET and POST alone\n');
      return;
    }
    const body = incoming.method === 'POST' ? await bodyOf(incoming) : undefined;
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const { headers, tls } = await this.#upstream.credentials();
    const reply = await request(`${this.#upstream.url}${path}`, {
      method: incoming.method,
      dispatcher: this.#agent(tls),
      headers: { ...picked(incoming.headers, forwarded), ...headers },
      signal: gone.signal,
      bodyTimeout: 0,
      ...(body === undefined ? {} : { body }),
    });
    response.writeHead(reply.statusCode, picked(reply.headers, returned));
    // an event shall not wait for the next one
    response.flushHeaders();
    await pipeline(reply.body, response);
  }

  /** The part behind the secret; undefined for who does not know it. */
  #pathOf(url: string): string | undefined {
    const [, given = ''] = /^\/([^/]*)\//.exec(url) ?? [];
    const [a, b] = [Buffer.from(given), Buffer.from(this.#secret)];
    return a.length === b.length && timingSafeEqual(a, b) ? url.slice(1 + given.length) : undefined;
  }

  #agent(tls: UpstreamCredentials['tls']): Agent {
    const identity = JSON.stringify(tls);
    if (this.#pool?.identity === identity) return this.#pool.agent;
    void this.#pool?.agent.close();
    const connect = Object.fromEntries(
      Object.entries({ ...tls, timeout: connectMs }).filter(([, value]) => value !== undefined),
    );
    const agent = new Agent({ connect, allowH2: false });
    this.#pool = { identity, agent };
    return agent;
  }
}

function picked(
  headers: IncomingMessage['headers'] | Dispatcher.ResponseData['headers'],
  names: readonly string[],
): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name): [string, string][] => {
      const value = headers[name];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of incoming as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > mostBodyBytes) throw new Error('the body is larger than 64 kB');
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const message = error instanceof Error ? error.message : String(error);
  const body = JSON.stringify({ code: 'ClusterUnreachable', message: `the controller cannot be reached: ${message}` });
  response.writeHead(502, { 'Content-Type': 'application/json', 'X-Content-Type-Options': 'nosniff' }).end(body);
}
