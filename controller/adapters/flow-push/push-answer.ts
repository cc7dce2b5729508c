import type { ServerResponse } from 'node:http';
import { aliveVersion } from '../flow-file/nanoseg-line.ts';
import type { PushReceipt } from './push-intake.ts';
import type { PushRefusal } from './push-refusal.ts';

/** The rest are counted: who sends a thousand broken lines learns no more from the last of them. */
const mostNamed = 100;

/** Lines that are taken beside those that every controller takes. */
export const takesHeader = 'nanoseg-takes';

/** One answer, before it is sent. */
export interface PushAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export function flowsAnswer({ accepted, rejected, repeated }: PushReceipt): PushAnswer {
  const named = rejected.slice(0, mostNamed);
  const more = rejected.length > named.length ? { moreRejected: rejected.length - named.length } : {};
  const answer = json(200, { accepted, rejected: named, ...more, ...(repeated ? { repeated } : {}) });
  return { ...answer, headers: { ...answer.headers, [takesHeader]: aliveVersion } };
}

export function refusalAnswer({ status, code, message, retryAfterS }: PushRefusal): PushAnswer {
  return withHeaders(json(status, { code, message }), status, retryAfterS);
}

export function sendAnswer(response: ServerResponse, { status, headers, body }: PushAnswer): void {
  response.writeHead(status, { ...headers, 'content-length': body.length }).end(body);
}

function json(status: number, value: object): PushAnswer {
  return { status, headers: { 'content-type': 'application/json' }, body: Buffer.from(`${JSON.stringify(value)}\n`) };
}

/** With what a client needs to know of some refusals (RFC 9110). */
export function withHeaders(answer: PushAnswer, status: number, retryAfterS: number | undefined): PushAnswer {
  return {
    ...answer,
    headers: {
      ...answer.headers,
      ...(retryAfterS === undefined ? {} : { 'retry-after': String(retryAfterS) }),
      ...(status === 405 ? { allow: 'POST' } : {}),
      ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
      ...(status === 415 ? { 'accept-encoding': 'gzip' } : {}),
    },
  };
}
