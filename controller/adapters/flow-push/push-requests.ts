import type { IncomingMessage, ServerResponse } from 'node:http';
import { type PeerCertificate, TLSSocket } from 'node:tls';
import type { Logger } from 'pino';
import type { Clock } from '../../ports.ts';
import type { Credentials, ProducerCheck, Pusher } from './producer-check.ts';
import { type PushAnswer, refusalAnswer, sendAnswer } from './push-answer.ts';
import { pushedBytes } from './push-body.ts';
import type { PushFigures } from './push-figures.ts';
import type { PushFormat, PushRoute } from './push-format.ts';
import type { PushedBy, PushIntake, PushReceipt } from './push-intake.ts';
import type { PushLimits } from './push-limits.ts';
import { PushRefusal, type PushRefusalCode } from './push-refusal.ts';
import type { PushTerms } from './push-terms.ts';

export interface PushRequestsOptions {
  readonly intake: PushIntake;
  readonly routes: ReadonlyMap<string, PushRoute>;
  readonly producers: ProducerCheck;
  readonly limits: PushLimits;
  readonly clock: Clock;
  readonly figures: PushFigures;
  readonly log: Pick<Logger, 'warn' | 'error'>;
}

/** Who is answered before all was read has so long to read the answer. */
const lingerMs = 2_000;
/** One refusal of a kind is logged in this time: who floods the endpoint must not flood the log. */
const logPaceMs = 60_000;
const tokenScheme = /^bearer +/i;

/** Answers requests; a batch is answered with 200 when it is saved. */
export class PushRequests {
  readonly #options: PushRequestsOptions;
  readonly #loggedMs = new Map<PushRefusalCode, number>();

  constructor(options: PushRequestsOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      sendAnswer(response, await this.#answer(request));
    } catch (error) {
      // who has gone is owed no answer
      if (request.destroyed || response.destroyed) return;
      this.#options.log.error({ err: error }, 'a push request failed');
      response.writeHead(500).end();
    }
    this.#options.figures.held(this.#options.intake.heldBytes);
    linger(request, response);
  }

  async #answer(request: IncomingMessage): Promise<PushAnswer> {
    let answered: Pick<PushFormat, 'refused'> = { refused: refusalAnswer };
    try {
      const [path, route] = this.#route(request);
      const format = formatOf(request, route);
      if (format !== undefined) answered = format;
      const pusher = await this.#options.producers.check(credentialsOf(request), path);
      if (format === undefined) throw wrongType(route);
      return format.taken(await this.#take(request, path, format, pusher));
    } catch (error) {
      if (!(error instanceof PushRefusal)) throw error;
      this.#options.figures.refused(error.code);
      this.#logRefusal(request, error);
      return answered.refused(error);
    }
  }

  #route(request: IncomingMessage): readonly [path: string, route: PushRoute] {
    const path = (request.url ?? '').replace(/\?.*$/, '');
    const route = this.#options.routes.get(path);
    if (route === undefined) {
      throw new PushRefusal(
        'NotFound',
        `nothing is here; flows are pushed to ${[...this.#options.routes.keys()].join(' or ')}`,
      );
    }
    if (request.method !== 'POST') throw new PushRefusal('MethodNotAllowed', 'expected POST');
    // every web page could have its visitors' browsers push to an address that is open to the machine it runs on
    if (request.headers.origin !== undefined) throw new PushRefusal('NotPermitted', 'a web page may not push flows');
    return [path, route];
  }

  async #take(request: IncomingMessage, path: string, format: PushFormat, pusher: Pusher): Promise<PushReceipt> {
    const { intake, limits, clock, figures } = this.#options;
    const encoding = request.headers['content-encoding'] ?? 'identity';
    if (encoding !== 'gzip' && encoding !== 'identity') {
      throw new PushRefusal(
        'UnsupportedMediaType',
        `content-encoding: expected gzip or none, got ${JSON.stringify(encoding)}`,
      );
    }
    if (Number(request.headers['content-length'] ?? 0) > limits.bodyBytes) {
      throw new PushRefusal('TooLarge', `the body is larger than ${limits.bodyBytes} bytes: send smaller batches`);
    }
    const terms = termsOf(request, pusher, clock.now());
    const receipt = intake.receive(pushedBy(request, pusher), async (grow) => {
      const bytes = pushedBytes(request, limits, (count) => {
        figures.received(count);
        grow(count);
      });
      const batch = await format.read(bytes, terms);
      figures.taken(path, batch.records, batch.rejected.length);
      return batch;
    });
    const taken = await inTime(receipt, limits.answerMs);
    if (taken.repeated) figures.repeated();
    return taken;
  }

  #logRefusal(request: IncomingMessage, { code, message }: PushRefusal): void {
    const now = this.#options.clock.now();
    if (now - (this.#loggedMs.get(code) ?? Number.NEGATIVE_INFINITY) < logPaceMs) return;
    this.#loggedMs.set(code, now);
    const from = request.socket.remoteAddress ?? 'unix socket';
    this.#options.log.warn({ from, path: request.url, code, because: message }, 'a push was refused');
  }
}

function formatOf(request: IncomingMessage, route: PushRoute): PushFormat | undefined {
  const type = (request.headers['content-type'] ?? '').replace(/;.*$/, '').trim().toLowerCase();
  return route.get(type);
}

function wrongType(route: PushRoute): PushRefusal {
  return new PushRefusal('UnsupportedMediaType', `content-type: expected ${[...route.keys()].join(' or ')}`);
}

function credentialsOf({ headers, socket }: IncomingMessage): Credentials {
  const { authorization = '' } = headers;
  const token = tokenScheme.test(authorization) ? authorization.replace(tokenScheme, '').trim() : undefined;
  return { token, ...(socket instanceof TLSSocket ? certificateOf(socket) : { certificateName: undefined }) };
}

function certificateOf(socket: TLSSocket): Omit<Credentials, 'token'> {
  // an empty object where there is none
  const { subject } = socket.getPeerCertificate() as Partial<PeerCertificate>;
  if (subject === undefined) return { certificateName: undefined };
  if (!socket.authorized) return { certificateName: undefined, certificateFault: String(socket.authorizationError) };
  const name: unknown = subject.CN;
  if (typeof name === 'string' && name !== '') return { certificateName: name };
  return { certificateName: undefined, certificateFault: 'it has no common name' };
}

function termsOf({ headers }: IncomingMessage, { name, node }: Pusher, nowMs: number): PushTerms {
  const sentMs = headers.date === undefined ? Number.NaN : Date.parse(headers.date);
  return { node, pushedBy: name, nowMs, clockAheadMs: Number.isNaN(sentMs) ? undefined : sentMs - nowMs };
}

/** Names of producers count within the one that vouches for them: nobody can use up the numbers of another. */
function pushedBy({ headers }: IncomingMessage, { name, node }: Pusher): PushedBy {
  const [producer, sequence] = [headers['nanoseg-producer'], headers['nanoseg-sequence']];
  const owner = node === undefined ? name : `${name} on ${node}`;
  if (producer === undefined && sequence === undefined) return { share: owner, numbered: undefined };
  if (typeof producer !== 'string' || !/^[!-~]{1,300}$/.test(producer)) {
    throw new PushRefusal(
      'Malformed',
      'nanoseg-producer: expected a name of up to 300 printable characters without spaces',
    );
  }
  if (typeof sequence !== 'string' || !/^[1-9]\d{0,14}$/.test(sequence)) {
    throw new PushRefusal('Malformed', 'nanoseg-sequence: expected a number, 1 for the first batch');
  }
  const unique = owner === '' ? producer : `${owner} ${producer}`;
  // one that speaks for a node only has one share, whatever it calls itself
  return { share: node === undefined ? unique : owner, numbered: { producer: unique, sequence: Number(sequence) } };
}

async function inTime(receipt: Promise<PushReceipt>, answerMs: number): Promise<PushReceipt> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const message = 'the batch is taken and not saved yet; sent again with the same number it is counted once';
    late.reject(new PushRefusal('NotSaved', message, { retryAfterS: 5 }));
  }, answerMs);
  try {
    return await Promise.race([receipt, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** A client that still sends reads its answer only afterwards: the rest is read for a moment, and thrown away. */
function linger(request: IncomingMessage, response: ServerResponse): void {
  if (request.complete || request.destroyed) return;
  request.resume();
  const late = setTimeout(() => response.socket?.destroy(), lingerMs);
  request.once('close', () => clearTimeout(late));
}
