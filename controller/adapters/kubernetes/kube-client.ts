import type { Readable } from 'node:stream';
import { Agent, type Dispatcher, ProxyAgent, request } from 'undici';
import { ClusterError } from '../../model/cluster-error.ts';
import { errorOfNetwork, errorOfReply } from './api-error.ts';
import {
  type Credentials,
  type KubeAccess,
  type KubeAccessOptions,
  KubeconfigError,
  loadKubeAccess,
  type TlsIdentity,
} from './kube-access.ts';

export interface KubeClientOptions extends KubeAccessOptions {
  /** Of nanoseg, for the user agent. */
  readonly version: string;
  /** Somebody's token in the place of the credentials of the kubeconfig, certificates too. */
  readonly token?: string | undefined;
  readonly impersonate?: { readonly user: string; readonly groups: readonly string[] } | undefined;
  /** For a whole request. @default 30000 */
  readonly timeoutMs?: number;
}

export interface KubeRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Beginning with a slash. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** Sent as JSON, exactly as it is. */
  readonly body?: unknown;
  /** @default application/json */
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
  /** For the whole request; for a stream only until it begins. */
  readonly timeoutMs?: number;
}

/**
 * The Kubernetes API as plain JSON both ways: the typed client renames fields and silently drops those that it does not
 * know, which turns a NetworkPolicy into an allow-all. All methods reject with ClusterError, or with the signal's
 * reason when it aborts.
 */
export interface KubeClient {
  /** Base URL, for people too. */
  readonly server: string;
  /** The namespace of the context, unless the options name one. */
  readonly namespace: string;
  readonly context: string;
  request<Body>(request: KubeRequest): Promise<Body>;
  /** A reply that may have no end, once its headers are here; the caller's signal cuts it off. */
  stream(request: KubeRequest): Promise<Readable>;
  credentials(): Promise<Credentials>;
  close(): Promise<void>;
}

const defaultTimeoutMs = 30_000;
/** One connection a watch, and the rest for requests. */
const connections = 64;

/** Throws KubeconfigError; connects with the first request only. */
export function createKubeClient(options: KubeClientOptions): KubeClient {
  return new PooledClient(options);
}

class PooledClient implements KubeClient {
  readonly #options: KubeClientOptions;
  #access: KubeAccess;
  #pool: { readonly identity: string; readonly dispatcher: Dispatcher } | undefined;

  constructor(options: KubeClientOptions) {
    this.#options = options;
    this.#access = loadKubeAccess(options);
  }

  get server(): string {
    return this.#access.server;
  }

  get namespace(): string {
    return this.#access.namespace;
  }

  get context(): string {
    return this.#access.context;
  }

  async request<Body>(wanted: KubeRequest): Promise<Body> {
    const timeoutMs = wanted.timeoutMs ?? this.#options.timeoutMs ?? defaultTimeoutMs;
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = wanted.signal === undefined ? timeout : AbortSignal.any([wanted.signal, timeout]);
    try {
      const reply = await this.#send(wanted, signal);
      return (await reply.body.json()) as Body;
    } catch (error) {
      if (error instanceof ClusterError) throw error;
      wanted.signal?.throwIfAborted();
      if (!timeout.aborted) throw errorOfNetwork(this.server, error);
      const message = `${this.server} did not answer within ${timeoutMs / 1000} s (${wordsOf(wanted)})`;
      throw new ClusterError('Unavailable', message, { cause: error });
    }
  }

  async stream(wanted: KubeRequest): Promise<Readable> {
    try {
      return (await this.#send(wanted, wanted.signal, wanted.timeoutMs ?? defaultTimeoutMs)).body;
    } catch (error) {
      if (error instanceof ClusterError) throw error;
      wanted.signal?.throwIfAborted();
      throw errorOfNetwork(this.server, error);
    }
  }

  async credentials(): Promise<Credentials> {
    try {
      const credentials = await this.#access.credentials();
      const { token } = this.#options;
      if (token === undefined) return credentials;
      return { authorization: `Bearer ${token}`, tls: { ...credentials.tls, cert: undefined, key: undefined } };
    } catch (error) {
      const reason = error instanceof Error ? error.message.trim() : String(error);
      throw new ClusterError('Unauthorized', `no credentials can be had for context ${this.context}: ${reason}`, {
        cause: error,
      });
    }
  }

  async close(): Promise<void> {
    const pool = this.#pool;
    this.#pool = undefined;
    await pool?.dispatcher.destroy();
  }

  async #send(
    wanted: KubeRequest,
    signal: AbortSignal | undefined,
    headersTimeoutMs = 0,
  ): Promise<Dispatcher.ResponseData> {
    const reply = await this.#attempt(wanted, signal, headersTimeoutMs);
    if (reply.statusCode < 300) return reply;
    const failure = errorOfReply(
      reply.statusCode,
      headerOf(reply, 'retry-after'),
      await reply.body.text(),
      wordsOf(wanted),
    );
    // a token that was changed on disk, or that a plugin must make anew: read everything again, once
    if (failure.code !== 'Unauthorized' || !this.#reload()) throw failure;
    const second = await this.#attempt(wanted, signal, headersTimeoutMs);
    if (second.statusCode < 300) return second;
    throw errorOfReply(second.statusCode, headerOf(second, 'retry-after'), await second.body.text(), wordsOf(wanted));
  }

  #reload(): boolean {
    try {
      this.#access = loadKubeAccess(this.#options);
      return true;
    } catch (error) {
      if (error instanceof KubeconfigError) return false;
      throw error;
    }
  }

  async #attempt(
    wanted: KubeRequest,
    signal: AbortSignal | undefined,
    headersTimeoutMs: number,
  ): Promise<Dispatcher.ResponseData> {
    const { authorization, tls } = await this.credentials();
    const { impersonate, version } = this.#options;
    const url = new URL(this.server + wanted.path);
    for (const [name, value] of Object.entries(wanted.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    return request(url, {
      method: wanted.method,
      dispatcher: this.#dispatcher(tls),
      headers: {
        accept: 'application/json',
        'user-agent': `nanoseg/${version}`,
        ...(authorization === undefined ? {} : { authorization }),
        ...(impersonate === undefined ? {} : { 'impersonate-user': impersonate.user }),
        ...(impersonate?.groups.length ? { 'impersonate-group': [...impersonate.groups] } : {}),
        ...(wanted.body === undefined ? {} : { 'content-type': wanted.contentType ?? 'application/json' }),
      },
      ...(wanted.body === undefined ? {} : { body: JSON.stringify(wanted.body) }),
      ...(signal === undefined ? {} : { signal }),
      // whole requests, and watches that go silent, have timers of their own
      headersTimeout: headersTimeoutMs,
      bodyTimeout: 0,
    });
  }

  /** One pool as long as certificates stay the same; requests under way on the former one end by themselves. */
  #dispatcher(tls: TlsIdentity): Dispatcher {
    const identity = JSON.stringify(tls);
    if (this.#pool?.identity === identity) return this.#pool.dispatcher;
    void this.#pool?.dispatcher.close();
    const connect = definedOnly({ ...tls, timeout: 10_000, keepAlive: true, keepAliveInitialDelay: 30_000 });
    const { proxyUrl } = this.#access;
    const dispatcher =
      proxyUrl === undefined
        ? new Agent({ connect, connections, allowH2: false })
        : new ProxyAgent({ uri: proxyUrl, requestTls: connect, connections, allowH2: false });
    this.#pool = { identity, dispatcher };
    return dispatcher;
  }
}

function definedOnly<Fields extends object>(fields: Fields): { [Name in keyof Fields]: NonNullable<Fields[Name]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}

function headerOf(reply: Dispatcher.ResponseData, name: string): string | undefined {
  const value = reply.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function wordsOf({ method, path }: KubeRequest): string {
  return `${method} ${path}`;
}
