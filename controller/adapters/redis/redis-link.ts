import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { RedisStoreError } from './redis-store-error.ts';
import { problem } from '../../model/problem.ts';
import type { RedisAddress } from './redis-address.ts';
import { redisFailure } from './redis-failure.ts';
import type { RedisScript } from './redis-script.ts';

export interface RedisLinkOptions {
  readonly address: RedisAddress;
  readonly user?: string;
  readonly password?: string;
  /** Of the Sentinels, where they want one. */
  readonly sentinelPassword?: string;
  /** PEM: the authority of the servers' certificates. @default those that Node trusts */
  readonly ca?: string;
  /** A request that is not answered within this has failed. @default 20000 */
  readonly answerMs?: number;
}

type Argument = string | number | Buffer;

const connectMs = 5_000;
/** A request fails after so many connections in vain; who asks tries again later. */
const retries = 2;

/**
 * One connection to where the evidence is, made anew whenever it breaks. Every method rejects with RedisStoreError.
 */
export class RedisLink {
  /** For people; without user and password. */
  readonly name: string;
  readonly #client: Redis | Cluster;
  readonly #answerMs: number;
  /** Why the connection was lost, which requests that fail of it do not say; of a cluster, what one of its nodes said. */
  #lastFault: Error | undefined;
  #nodeFault: Error | undefined;

  private constructor(client: Redis | Cluster, name: string, answerMs: number) {
    this.#client = client;
    this.name = name;
    this.#answerMs = answerMs;
    client.on('error', (error: Error) => (this.#lastFault = error));
    client.on('node error', (error: Error) => (this.#nodeFault = error));
    client.on('ready', () => ([this.#lastFault, this.#nodeFault] = [undefined, undefined]));
  }

  /** Connects; rejects when nobody answers, or not as we need it. */
  static async open({ address, answerMs = 20_000, ...access }: RedisLinkOptions): Promise<RedisLink> {
    const link = new RedisLink(clientOf(address, access), address.name, answerMs);
    try {
      await link.#asked(() => link.#client.connect());
      await link.#asked(() => link.#client.ping());
      return link;
    } catch (error) {
      link.#client.disconnect();
      throw error;
    }
  }

  /** The script is sent only where the server does not have it (any more). */
  run(script: RedisScript, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    return this.#asked(async () => {
      try {
        return await this.#client.evalsha(script.sha, keys.length, ...keys, ...args);
      } catch (error) {
        if (!isMissingScript(error)) throw error;
        return await this.#client.eval(script.text, keys.length, ...keys, ...args);
      }
    });
  }

  /** The same, with texts of the answer as bytes. */
  runBuffer(script: RedisScript, keys: readonly string[]): Promise<unknown> {
    return this.#asked(async () => {
      try {
        return await this.#client.callBuffer('EVALSHA', script.sha, keys.length, ...keys);
      } catch (error) {
        if (!isMissingScript(error)) throw error;
        return await this.#client.callBuffer('EVAL', script.text, keys.length, ...keys);
      }
    });
  }

  fields(key: string): Promise<Readonly<Record<string, string>>> {
    return this.#asked(() => this.#client.hgetall(key));
  }

  fieldValues(key: string, fields: readonly string[]): Promise<readonly (string | null)[]> {
    return this.#asked(() => this.#client.hmget(key, ...fields));
  }

  /** Some fields and values of a hash in turn, and where to go on; `0` at the end. */
  scan(key: string, cursor: string, count: number): Promise<[string, string[]]> {
    return this.#asked(() => this.#client.hscan(key, cursor, 'COUNT', count));
  }

  bytes(key: string): Promise<Buffer | null> {
    return this.#asked(() => this.#client.getBuffer(key));
  }

  /** What the server says of its memory, `name:value` in lines; empty for a user who may not ask. */
  memoryInfo(): Promise<string> {
    return this.#asked(async () => {
      try {
        return await this.#client.info('memory');
      } catch (error) {
        if (error instanceof Error && error.message.startsWith('NOPERM')) return '';
        throw error;
      }
    });
  }

  close(): void {
    this.#client.disconnect();
  }

  async #asked<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    const waiting = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const why = this.#lastFault === undefined ? '' : ` (${this.#lastFault.message})`;
      const message = `the server did not answer within ${this.#answerMs / 1000}s${why}`;
      waiting.reject(new RedisStoreError(problem('EvidenceUnreachable', message, this.name), { retryable: true }));
    }, this.#answerMs);
    try {
      return await Promise.race([ask(), waiting.promise]);
    } catch (error) {
      throw redisFailure(this.name, isConnectionFault(error) ? (this.#nodeFault ?? this.#lastFault ?? error) : error);
    } finally {
      clearTimeout(timer);
    }
  }
}

function isMissingScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}

/** What the library says of any broken connection. */
function isConnectionFault(error: unknown): boolean {
  return (
    error instanceof Error &&
    (error.name === 'MaxRetriesPerRequestError' ||
      /^Connection is closed|startup nodes|refresh slots/.test(error.message))
  );
}

function clientOf(
  address: RedisAddress,
  { user, password, sentinelPassword, ca }: Omit<RedisLinkOptions, 'address' | 'answerMs'>,
): Redis | Cluster {
  const { kind, tls, hosts, master, db } = address;
  const username = user ?? address.user;
  const secured = tls ? { tls: ca === undefined ? {} : { ca } } : {};
  const common = {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...secured,
    connectTimeout: connectMs,
    maxRetriesPerRequest: retries,
    connectionName: 'nanoseg',
    // after a failover it is another server that takes writes
    reconnectOnError: ({ message }) => message.startsWith('READONLY'),
  } satisfies RedisOptions;
  const retryStrategy = (times: number) => Math.min(50 * 2 ** times, 2_000);
  switch (kind) {
    case 'standalone':
      return new Redis({ ...common, ...hosts[0], db, retryStrategy, lazyConnect: true });
    case 'sentinel':
      return new Redis({
        ...common,
        sentinels: [...hosts],
        name: master,
        db,
        retryStrategy,
        lazyConnect: true,
        ...(tls && { enableTLSForSentinelMode: true, sentinelTLS: secured.tls ?? {} }),
        ...(sentinelPassword !== undefined && { sentinelPassword }),
        sentinelRetryStrategy: (times) => (times > retries ? null : 100 * times),
      });
    case 'cluster':
      return new Cluster([...hosts], {
        redisOptions: common,
        lazyConnect: true,
        // certificates are for names, and the names of nodes are what the cluster announces
        ...(tls && { dnsLookup: (host, done) => done(null, host) }),
        clusterRetryStrategy: retryStrategy,
      });
  }
}
