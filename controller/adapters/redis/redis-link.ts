import { isDeepStrictEqual } from 'node:util';
import { problem } from '../../model/problem.ts';
import type { RedisAddress } from './redis-address.ts';
import { hostFaults, redisClient, type RedisClient, type RedisCredentials } from './redis-client.ts';
import { redisFailure } from './redis-failure.ts';
import type { RedisScript } from './redis-script.ts';
import { RedisStoreError } from './redis-store-error.ts';

export interface RedisLinkOptions extends RedisCredentials {
  readonly address: RedisAddress;
  /** Asked when a server refuses what we have: a file may say something else by now. @default nothing else is known */
  readonly credentialsAgain?: () => Promise<RedisCredentials>;
  /** A request that is not answered within this has failed, and the connection with it. @default 20000 */
  readonly answerMs?: number;
}

type Argument = string | number | Buffer;

/** Fields and values in turn. */
export type StreamEntry = readonly [id: string, fields: readonly string[]];

/** A client, and why it fares badly, which requests that fail of it do not say. */
interface Connection {
  readonly client: RedisClient;
  fault: Error | undefined;
  /** What one of the nodes or Sentinels said, which tells more. */
  nodeFault: Error | undefined;
  /** Requests that have no answer yet. */
  readonly waiting: Set<(why: unknown) => void>;
}

/**
 * One connection to where the evidence is, made anew whenever it breaks. A request may reach the server twice, when the
 * connection broke before its answer came. Every method rejects with RedisStoreError.
 */
export class RedisLink {
  readonly #address: RedisAddress;
  readonly #answerMs: number;
  readonly #credentialsAgain: (() => Promise<RedisCredentials>) | undefined;
  #credentials: RedisCredentials;
  #connection: Connection;
  #closed = false;

  private constructor({ address, answerMs = 20_000, credentialsAgain, ...credentials }: RedisLinkOptions) {
    this.#address = address;
    this.#answerMs = answerMs;
    this.#credentialsAgain = credentialsAgain;
    this.#credentials = credentials;
    this.#connection = connectionOf(redisClient(address, credentials));
  }

  /** Connects; rejects when nobody answers, or not as we need it. */
  static async open(options: RedisLinkOptions): Promise<RedisLink> {
    const link = new RedisLink(options);
    try {
      await link.#asked((client) => client.connect());
      await link.#asked((client) => client.ping());
      // a database that is not there would be another one
      const { db } = options.address;
      if (db !== 0) await link.#asked((client) => client.call('SELECT', db));
      return link;
    } catch (error) {
      link.close();
      throw error;
    }
  }

  /** For people; without user and password. */
  get name(): string {
    return this.#address.name;
  }

  /** The script is sent only where the server does not have it (any more). */
  run(script: RedisScript, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    return this.#asked(async (client) => {
      try {
        return await client.evalsha(script.sha, keys.length, ...keys, ...args);
      } catch (error) {
        if (!isMissingScript(error)) throw error;
        return await client.eval(script.text, keys.length, ...keys, ...args);
      }
    });
  }

  /** The same, with texts of the answer as bytes. */
  runBuffer(script: RedisScript, keys: readonly string[]): Promise<unknown> {
    return this.#asked(async (client) => {
      try {
        return await client.callBuffer('EVALSHA', script.sha, keys.length, ...keys);
      } catch (error) {
        if (!isMissingScript(error)) throw error;
        return await client.callBuffer('EVAL', script.text, keys.length, ...keys);
      }
    });
  }

  fields(key: string): Promise<Readonly<Record<string, string>>> {
    return this.#asked((client) => client.hgetall(key));
  }

  fieldValues(key: string, fields: readonly string[]): Promise<readonly (string | null)[]> {
    return this.#asked((client) => client.hmget(key, ...fields));
  }

  /** Some fields and values of a hash in turn, and where to go on; `0` at the end. */
  scan(key: string, cursor: string, count: number): Promise<[string, string[]]> {
    return this.#asked((client) => client.hscan(key, cursor, 'COUNT', count));
  }

  /** Of a stream, from an id on; `(` before it: what comes after it. */
  entries(key: string, from: string, count: number): Promise<readonly StreamEntry[]> {
    return this.#asked((client) => client.xrange(key, from, '+', 'COUNT', count));
  }

  bytes(key: string): Promise<Buffer | null> {
    return this.#asked((client) => client.getBuffer(key));
  }

  /** What the server says of its memory, `name:value` in lines; empty for a user who may not ask. */
  memoryInfo(): Promise<string> {
    return this.#asked(async (client) => {
      try {
        return await client.info('memory');
      } catch (error) {
        if (error instanceof Error && error.message.startsWith('NOPERM')) return '';
        throw error;
      }
    });
  }

  close(): void {
    this.#closed = true;
    const { client, waiting } = this.#connection;
    client.disconnect();
    // the client of a cluster keeps requests for a connection that never comes
    for (const refuse of waiting) refuse(this.#closedProblem());
  }

  #closedProblem(): RedisStoreError {
    return new RedisStoreError(problem('EvidenceUnreachable', 'the connection was closed', this.name), {
      retryable: false,
    });
  }

  async #asked<Answer>(ask: (client: RedisClient) => Promise<Answer>): Promise<Answer> {
    if (this.#closed) throw this.#closedProblem();
    for (let again = false; ; again = true) {
      const connection = this.#connection;
      try {
        return await this.#answered(connection, ask(connection.client));
      } catch (error) {
        const failure = await this.#explained(connection, error);
        if (again || !isRefused(failure) || !(await this.#isChanged(connection))) throw failure;
      }
    }
  }

  async #answered<Answer>(connection: Connection, answer: Promise<Answer>): Promise<Answer> {
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(this.#unanswered(connection)), this.#answerMs);
    connection.waiting.add(reject);
    try {
      return await Promise.race([answer, promise]);
    } finally {
      clearTimeout(timer);
      connection.waiting.delete(reject);
    }
  }

  async #explained({ nodeFault, fault }: Connection, error: unknown): Promise<unknown> {
    const seen = isConnectionFault(error) ? (nodeFault ?? fault ?? error) : error;
    const found = redisFailure(this.#address, seen);
    const isSilent = seen instanceof Error && seen.message.includes('Connection is closed');
    if (!isSilent || this.#closed || this.#address.kind === 'standalone') return found;
    const reasons = await hostFaults(this.#address, this.#credentials);
    const explained = reasons.map((reason) => redisFailure(this.#address, reason));
    return explained.find(isRefused) ?? explained[0] ?? found;
  }

  /**
   * A server that hangs, or that is not there any more and cannot say so, keeps its connection for many minutes, and another
   * one may have taken over long ago: who is the right one is asked anew.
   */
  #unanswered(connection: Connection): RedisStoreError {
    const { client, fault, nodeFault } = connection;
    const why = nodeFault ?? fault;
    const seen = why?.message ?? (client.status === 'connect' ? 'it may be loading its data' : undefined);
    const text = `the server did not answer within ${this.#answerMs / 1000}s${seen === undefined ? '' : ` (${seen})`}`;
    connection.fault ??= new Error(text);
    this.#replace(connection);
    return new RedisStoreError(problem('EvidenceUnreachable', text, this.name), { retryable: true });
  }

  /** Whether there is a connection with other credentials than that one was made with. */
  async #isChanged(connection: Connection): Promise<boolean> {
    const credentials = await this.#credentialsAgain?.();
    if (this.#connection !== connection) return true;
    if (credentials === undefined || this.#closed || isDeepStrictEqual(credentials, this.#credentials)) return false;
    this.#credentials = credentials;
    this.#replace(connection);
    return true;
  }

  #replace(connection: Connection): void {
    if (this.#closed || this.#connection !== connection) return;
    this.#connection = connectionOf(redisClient(this.#address, this.#credentials));
    connection.client.disconnect();
  }
}

function connectionOf(client: RedisClient): Connection {
  const connection: Connection = { client, fault: undefined, nodeFault: undefined, waiting: new Set() };
  const nodeFault = (error: Error) => (connection.nodeFault = error);
  client.on('error', (error: Error) => {
    // what the server said before it hung up tells more than that it did
    const hungUp = /EPIPE|ECONNRESET/.test(error.message) && connection.fault?.name === 'ReplyError';
    if (!hungUp) connection.fault = error;
    // requests of the connection before would wait until one of the next is let in
    if (/^(WRONGPASS|NOAUTH)/.test(error.message)) for (const refuse of connection.waiting) refuse(error);
  });
  client.on('node error', nodeFault);
  client.on('sentinelError', nodeFault);
  client.on('refresh', () => (connection.nodeFault = undefined));
  client.on('ready', () => ([connection.fault, connection.nodeFault] = [undefined, undefined]));
  return connection;
}

function isRefused(error: unknown): boolean {
  return error instanceof RedisStoreError && error.problem.code === 'EvidenceNotPermitted';
}

function isMissingScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}

/** What the library says of any broken connection. */
function isConnectionFault(error: unknown): boolean {
  return (
    error instanceof Error &&
    (error.name === 'MaxRetriesPerRequestError' ||
      /^Connection is closed|^Cluster is ended|startup nodes|refresh slots|sentinels are unreachable/.test(
        error.message,
      ))
  );
}
