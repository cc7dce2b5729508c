import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import type { Clock } from '../../ports.ts';
import {
  type AdmissionAnswer,
  type AdmissionRequest,
  readAdmissionReview,
  writeAdmissionReview,
} from './admission-review.ts';
import { stampRequest, validateRequest } from './judge-admission.ts';
import type { KeyRing } from './key-ring.ts';
import { stampPath, validatePath } from './webhook-paths.ts';

export interface AdmissionServerOptions {
  readonly keys: KeyRing;
  /** Who writes the status of approvals, as the API server calls it: `system:serviceaccount:NAMESPACE:NAME`. */
  readonly controllerUser: string;
  /** 0: any free one. */
  readonly port: number;
  /** Address to listen on; every one of the machine without it. */
  readonly host?: string;
  readonly clock: Clock;
  /** Every request is logged: who wanted what, and why it was refused. */
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>;
}

/** An object of etcd may have 1.5 MB, and an update carries two. */
const bodyLimitBytes = 4 * 1024 * 1024;
/** The API server waits 5 s for an answer. */
const requestLimitMs = 5_000;
/** Longer than Go's clients keep an idle connection, so that it is never us who closes one that is about to be used. */
const idleLimitMs = 120_000;
/** The API server needs a handful; who floods the webhook must not take the files of the whole controller. */
const connectionLimit = 1_000;
/** How often a token that nobody knows may make us look whether another replica made a new one. */
const reloadPaceMs = 1_000;

/**
 * The admission webhook for PolicyApprovals over HTTPS: `stampPath` writes the stamp, `validatePath` refuses what is not
 * stamped. It takes over a new certificate without closing a connection.
 */
export class AdmissionServer {
  readonly #options: AdmissionServerOptions;
  readonly #server: Server;
  readonly #unsubscribe: () => void;
  #lastReloadMs = Number.NEGATIVE_INFINITY;

  private constructor(options: AdmissionServerOptions) {
    this.#options = options;
    const { keys, log } = options;
    this.#server = createServer(
      {
        ...keys.servingCertificate(),
        minVersion: 'TLSv1.2',
        requestTimeout: requestLimitMs,
        headersTimeout: requestLimitMs,
        handshakeTimeout: requestLimitMs,
        keepAliveTimeout: idleLimitMs,
        connectionsCheckingInterval: 1_000,
      },
      (request, response) => void this.#serve(request, response),
    );
    this.#server.maxConnections = connectionLimit;
    this.#unsubscribe = keys.subscribe(() => {
      this.#server.setSecureContext({ ...keys.servingCertificate(), minVersion: 'TLSv1.2' });
      log.info({}, 'the webhook took over new keys or certificates');
    });
  }

  /** Rejects when the port cannot be listened on. */
  static async start(options: AdmissionServerOptions): Promise<AdmissionServer> {
    const server = new AdmissionServer(options);
    try {
      server.#server.listen(options.port, options.host);
      await once(server.#server, 'listening');
    } catch (error) {
      server.#unsubscribe();
      throw error;
    }
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Answers what is under way and takes nothing more; ends within the time that a request may take. */
  async close(): Promise<void> {
    this.#unsubscribe();
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeIdleConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const [status, body] = await this.#answer(request);
      const text = JSON.stringify(body);
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
      // the rest of a body that is too large is not read, so that the connection is of no more use
      response.writeHead(
        status,
        status === 413 || !this.#server.listening ? { ...headers, connection: 'close' } : headers,
      );
      response.end(text);
    } catch (error) {
      this.#options.log.error({ err: error }, 'an admission request failed');
      response.writeHead(500).end();
    }
  }

  async #answer(request: IncomingMessage): Promise<[number, object]> {
    const [, purpose = '', token = '', ...rest] = (request.url ?? '').replace(/\?.*$/, '').split('/');
    const isStamp = `/${purpose}` === stampPath;
    if (rest.length > 0 || (!isStamp && `/${purpose}` !== validatePath) || !(await this.#isKnownToken(token))) {
      return [404, { error: 'nothing is here' }];
    }
    if (request.method !== 'POST') return [405, { error: 'expected POST' }];
    if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) return [415, { error: 'expected JSON' }];
    const body = await readBody(request);
    if (body === undefined) return [413, { error: `expected at most ${bodyLimitBytes} bytes` }];
    const review = readAdmissionReview(parseJson(body));
    if (review === undefined)
      return [400, { error: 'expected an AdmissionReview of admission.k8s.io/v1 about nanoseg.io' }];
    const answer = isStamp ? this.#stamp(review) : this.#validate(review);
    this.#logAnswer(review, answer);
    return [200, writeAdmissionReview(review.uid, answer)];
  }

  #stamp(review: AdmissionRequest): AdmissionAnswer {
    const { keys, clock } = this.#options;
    return stampRequest(review, keys.stampingKey(), clock.now());
  }

  #validate(review: AdmissionRequest): AdmissionAnswer {
    const { keys, clock, controllerUser } = this.#options;
    return validateRequest(review, keys.verificationKeys(), controllerUser, clock.now());
  }

  #logAnswer(review: AdmissionRequest, answer: AdmissionAnswer): void {
    const { uid, user, namespace, operation, resource, dryRun } = review;
    const fields = { uid, user, namespace, operation, resource, dryRun };
    if (answer.allowed) this.#options.log.info(fields, 'an admission request was allowed');
    else this.#options.log.warn({ ...fields, because: answer.message }, 'an admission request was refused');
  }

  /** Without the token nobody but the API server is answered: a stamp is signed for whatever user a request names. */
  async #isKnownToken(token: string): Promise<boolean> {
    const { keys, clock, log } = this.#options;
    if (keys.webhookTokens().some((known) => isEqual(known, token))) return true;
    if (clock.now() - this.#lastReloadMs < reloadPaceMs) return false;
    this.#lastReloadMs = clock.now();
    try {
      await keys.reload();
    } catch (error) {
      log.warn({ err: error }, 'the keys cannot be read');
    }
    return keys.webhookTokens().some((known) => isEqual(known, token));
  }
}

/** In a time that tells nothing about where they differ. */
function isEqual(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** Undefined when it is too large. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bodyLimitBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
