import type { Flow } from '../../model/flow.ts';
import type { RejectedRecord } from '../../ports.ts';
import { UnusableRecord } from '../flow-file/unusable-record.ts';
import type { CounterPoint, CounterPoints, CounterWish } from './counter-point.ts';
import { isNetworkFlowMetric, NetworkFlowPoints } from './network-flow-points.ts';
import { parseMetrics } from './otlp-json.ts';
import { decodeMetrics, encodeExportResponse, encodeStatus } from './otlp-protobuf.ts';
import { type PushAnswer, withHeaders } from './push-answer.ts';
import type { PushFormat, PushRoute } from './push-format.ts';
import type { PushedBatch, PushReceipt } from './push-intake.ts';
import type { PushRefusal } from './push-refusal.ts';
import { judgeFlow, MissedFlows, type PushTerms } from './push-terms.ts';

/** `POST /v1/metrics`: OTLP/HTTP (opentelemetry.io/docs/specs/otlp), protobuf and JSON. */
export const metricsPath = '/v1/metrics';

/** So many different reasons are named in an answer. */
const mostReasons = 3;

/** Of google.rpc.Code, by the status of the answer. */
const rpcCodes: Readonly<Record<number, number>> = { 400: 3, 401: 16, 403: 7, 413: 3, 415: 3, 429: 8, 503: 14 };

export function metricsRoute(mostPoints: number): PushRoute {
  const flows = new NetworkFlowPoints();
  const wish: CounterWish = { wants: isNetworkFlowMetric, mostPoints };
  const read = async (bytes: AsyncIterable<Buffer>, terms: PushTerms, decode: (body: Buffer) => CounterPoints) =>
    batchOf(decode(await wholeBody(bytes)), flows, terms);
  const protobuf: PushFormat = {
    read: (bytes, terms) => read(bytes, terms, (body) => decodeMetrics(body, wish)),
    taken: ({ rejected }) =>
      answer(200, 'application/x-protobuf', encodeExportResponse(rejected.length, inWords(rejected))),
    refused: (refusal) => refusedAs(refusal, 'application/x-protobuf', encodeStatus(codeOf(refusal), refusal.message)),
  };
  const json: PushFormat = {
    read: (bytes, terms) => read(bytes, terms, (body) => parseMetrics(body.toString('utf8'), wish)),
    taken: (receipt) => answer(200, 'application/json', JSON.stringify(partialSuccess(receipt))),
    refused: (refusal) => {
      const body = JSON.stringify({ code: codeOf(refusal), message: refusal.message });
      return refusedAs(refusal, 'application/json', body);
    },
  };
  return new Map([
    ['application/x-protobuf', protobuf],
    ['application/json', json],
  ]);
}

function batchOf(
  { points, otherMetrics, unusable }: CounterPoints,
  of: NetworkFlowPoints,
  terms: PushTerms,
): PushedBatch {
  const flows: Flow[] = [];
  const missed = new MissedFlows();
  const rejected: RejectedRecord[] = Array.from({ length: unusable }, () => ({
    where: 'data point',
    reason: 'expected a monotonic sum, cumulative or delta',
  }));
  let skipped = otherMetrics;
  for (const [i, point] of points.entries()) {
    const where = `data point ${i + 1}`;
    const flow = flowOf(of, point, terms);
    if (flow === undefined) skipped++;
    else if (typeof flow === 'string') rejected.push({ where, reason: flow });
    else {
      const judged = judgeFlow(flow, terms);
      if (judged.kind === 'taken') flows.push(judged.flow);
      else {
        rejected.push({ where, reason: judged.reason });
        if (judged.lost) missed.add(flow);
      }
    }
  }
  return { flows, losses: missed.losses(terms), rejected, skipped, records: points.length + unusable + otherMetrics };
}

/** A text: why there is none. */
function flowOf(of: NetworkFlowPoints, point: CounterPoint, terms: PushTerms): Flow | string | undefined {
  try {
    return of.flowOf(terms.pushedBy, point);
  } catch (error) {
    if (!(error instanceof UnusableRecord)) throw error;
    return error.message;
  }
}

async function wholeBody(bytes: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of bytes) pieces.push(piece);
  return Buffer.concat(pieces);
}

function partialSuccess({ rejected }: PushReceipt): object {
  if (rejected.length === 0) return {};
  return { partialSuccess: { rejectedDataPoints: String(rejected.length), errorMessage: inWords(rejected) } };
}

function inWords(rejected: readonly RejectedRecord[]): string {
  const reasons = [...new Set(rejected.map(({ reason }) => reason))];
  return reasons.slice(0, mostReasons).join('; ');
}

function codeOf({ status }: PushRefusal): number {
  return rpcCodes[status] ?? 2;
}

function refusedAs({ status, retryAfterS }: PushRefusal, type: string, body: string | Uint8Array): PushAnswer {
  return withHeaders(answer(status, type, body), status, retryAfterS);
}

function answer(status: number, type: string, body: string | Uint8Array): PushAnswer {
  return { status, headers: { 'content-type': type }, body: Buffer.from(body) };
}
