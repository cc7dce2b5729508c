import { readFile } from 'node:fs/promises';
import { Agent as PlainAgent, type ClientRequest, type IncomingMessage, request as plainRequest } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';
import { isIP } from 'node:net';
import { aliveVersion } from '../flow-file/nanoseg-line.ts';
import { takesHeader } from './push-answer.ts';
import { deliveryPath, type SenderAddress } from './sender-address.ts';
import { deliveryFailure } from './sender-failure.ts';

/** Files, read anew for each request: they are replaced while we run. */
export interface SenderCredentials {
  readonly tokenFile?: string | undefined;
  /** The token is sent if the file is there. */
  readonly tokenOptional?: boolean;
  /** PEM of the authorities that the controller's certificate is checked with; absent: those of the system. */
  readonly caFile?: string | undefined;
  /** PEM, for mTLS. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
}

export interface Delivery {
  readonly body: Uint8Array;
  readonly producer: string;
  readonly sequence: number;
  readonly nowMs: number;
}

export type DeliveryResult =
  /** `takesObserved`: it knows what a line means that says that a node was observed. */
  | { readonly kind: 'saved'; readonly rejected: number; readonly reason: string; readonly takesObserved: boolean }
  /** This batch will never be taken. */
  | { readonly kind: 'unusable'; readonly message: string }
  | { readonly kind: 'failed'; readonly message: string; readonly retryAfterMs: number | undefined };

const answerWithinMs = 30_000;
const mostAnswer = 64 * 1024;

/** Posts batches to one address, one at a time, over a connection that is kept. */
export class SenderRequests {
  readonly #address: SenderAddress;
  /** The address that the host's name has; undefined for unix sockets. */
  readonly #ip: string | undefined;
  readonly #credentials: SenderCredentials;
  readonly #agent: PlainAgent | SecureAgent;

  constructor(address: SenderAddress, ip: string | undefined, credentials: SenderCredentials) {
    this.#address = address;
    this.#ip = ip;
    this.#credentials = credentials;
    const kept = { keepAlive: true, maxSockets: 1 };
    this.#agent = address.kind === 'https' ? new SecureAgent(kept) : new PlainAgent(kept);
  }

  /** Never rejects but for bugs, and when it is aborted. */
  async post(delivery: Delivery, signal: AbortSignal): Promise<DeliveryResult> {
    try {
      const asked = await this.#request(delivery, AbortSignal.any([signal, AbortSignal.timeout(answerWithinMs)]));
      const response = await answered(asked, delivery.body);
      return resultOf(response, await textOf(response));
    } catch (error) {
      if (signal.aborted) throw error;
      return {
        kind: 'failed',
        message: deliveryFailure(error, this.#address, answerWithinMs),
        retryAfterMs: undefined,
      };
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  async #request({ body, producer, sequence, nowMs }: Delivery, signal: AbortSignal): Promise<ClientRequest> {
    const headers: Record<string, string> = {
      'content-type': 'application/x-ndjson',
      'content-encoding': 'gzip',
      'content-length': String(body.length),
      date: new Date(nowMs).toUTCString(),
      'nanoseg-producer': producer,
      'nanoseg-sequence': String(sequence),
    };
    const options = { method: 'POST', path: deliveryPath, headers, agent: this.#agent, signal };
    const address = this.#address;
    if (address.kind === 'socket') return plainRequest({ ...options, socketPath: address.path });
    const { host, port } = address;
    const token = await this.#token();
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
    headers['host'] = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
    const target = { ...options, host: this.#ip ?? host, port };
    if (address.kind === 'http') return plainRequest(target);
    const { caFile, certFile, keyFile } = this.#credentials;
    const [ca, cert, key] = await Promise.all([caFile, certFile, keyFile].map(contentOf));
    return secureRequest({
      ...target,
      ...(isIP(host) === 0 && { servername: host }),
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
    });
  }

  async #token(): Promise<string | undefined> {
    const { tokenFile, tokenOptional = false } = this.#credentials;
    try {
      return (await contentOf(tokenFile))?.trim();
    } catch (error) {
      if (tokenOptional && (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }
}

async function contentOf(file: string | undefined): Promise<string | undefined> {
  return file === undefined ? undefined : readFile(file, 'utf8');
}

function answered(asked: ClientRequest, body: Uint8Array): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    asked.once('response', resolve);
    // an answer may come while the body is sent: what goes wrong with the rest of it does not matter then
    asked.on('error', reject);
    asked.end(body);
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    length += part.length;
    if (length <= mostAnswer) parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function resultOf({ statusCode = 0, headers }: IncomingMessage, text: string): DeliveryResult {
  const answer = objectOf(text);
  const said = typeof answer['message'] === 'string' ? answer['message'] : '';
  const message = `the controller answers ${statusCode}${said === '' ? '' : `: ${said.slice(0, 500)}`}`;
  switch (statusCode) {
    case 200: {
      const rejected = Array.isArray(answer['rejected']) ? (answer['rejected'] as unknown[]) : [];
      const more = typeof answer['moreRejected'] === 'number' ? answer['moreRejected'] : 0;
      const [first] = rejected;
      const reason = typeof first === 'object' && first !== null && 'reason' in first ? String(first.reason) : '';
      const takesObserved = headers[takesHeader] === aliveVersion;
      return { kind: 'saved', rejected: rejected.length + more, reason, takesObserved };
    }
    case 400:
    case 413:
      return { kind: 'unusable', message };
    default:
      return { kind: 'failed', message, retryAfterMs: retryAfterMs(headers['retry-after']) };
  }
}

function objectOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    // the sentence is for people: its absence changes nothing
    return {};
  }
}

function retryAfterMs(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) * 1000 : undefined;
}
