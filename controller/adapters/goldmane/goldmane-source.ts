import type { Clock, FlowBatch, FlowSource, SourcePosition } from '../../ports.ts';
import { defaultFlowLimits, type FlowLimits } from '../flow-file/flow-limits.ts';
import { parseGrpcAddress } from '../grpc/grpc-address.ts';
import type { GrpcClient } from '../grpc/grpc-client.ts';
import { GrpcError } from '../grpc/grpc-error.ts';
import { openClient, type TlsFiles } from '../grpc/open-client.ts';
import { type StreamMethod, serverStream } from '../grpc/server-stream.ts';
import { unaryCall } from '../grpc/unary-call.ts';
import {
  bucketS,
  decodeListResult,
  encodeListRequest,
  encodeStreamRequest,
  type FlowResult,
  type ListPage,
} from './goldmane-messages.ts';
import { decodePosition, type GoldmanePosition } from './goldmane-position.ts';
import { bucketOf, GoldmaneRecords } from './goldmane-records.ts';

export interface GoldmaneOptions {
  /** `host:port`, always with TLS. */
  readonly address: string;
  /** Goldmane wants a certificate of its clients. */
  readonly tls?: TlsFiles;
  /** Where an earlier reading stopped. @default what is new from now on */
  readonly position?: SourcePosition | undefined;
  readonly clock: Clock;
  /** After so long without a flow, what the stream may have left out is asked for. @default 45000 */
  readonly silenceMs?: number;
  readonly limits?: Partial<FlowLimits>;
}

/** No Goldmane keeps more. */
const keptS = 2 * 60 * 60;
const pageSize = 500;

/**
 * The flows of Calico's Goldmane, bucket by bucket of 15 seconds, each 15 to 30 seconds after it ended. What its stream
 * leaves out is listed; what it does not know any more, as after a restart of it, is a loss. Throws GrpcError.
 */
export function goldmaneSource(options: GoldmaneOptions): FlowSource {
  const { address, tls, position, clock, silenceMs = 45_000 } = options;
  const name = `Goldmane at ${address}`;
  const limits = { ...defaultFlowLimits, ...options.limits };
  const records = new GoldmaneRecords(name, limits, position === undefined ? undefined : decodePosition(position));
  return {
    name,
    progress: () => ({ doneBytes: 0, totalBytes: undefined }),
    async *batches(signal) {
      const client = await openClient(name, parseGrpcAddress(address, true), tls === undefined ? {} : { tls });
      try {
        const reading = new GoldmaneReading({ client, server: name, records, clock, silenceMs, signal });
        const last = records.position;
        const isKept = last !== undefined && (yield* reading.rest(last));
        yield* reading.follow(isKept ? last.bucketS : undefined);
      } catch (error) {
        if (!signal.aborted) throw error;
      } finally {
        client.close();
      }
    },
  };
}

interface ReadingParts {
  readonly client: GrpcClient;
  readonly server: string;
  readonly records: GoldmaneRecords;
  readonly clock: Clock;
  readonly silenceMs: number;
  readonly signal: AbortSignal;
}

/** Reading over one connection. */
class GoldmaneReading {
  readonly #parts: ReadingParts;

  constructor(parts: ReadingParts) {
    this.#parts = parts;
  }

  /**
   * The rest of the bucket that was being delivered; answers whether the server still has all that was delivered of it.
   * One that does not has forgotten what came after it too: it was restarted, or we were away for longer than it keeps.
   */
  async *rest({ bucketS: fromS, delivered }: GoldmanePosition): AsyncGenerator<FlowBatch, boolean> {
    const { records } = this.#parts;
    const known = new Set(delivered);
    const found: FlowResult[] = [];
    for await (const page of this.#pages(fromS, fromS + bucketS)) {
      for (const bytes of page.results) {
        const result = records.decode(bytes);
        if (result !== undefined) found.push(result);
      }
    }
    const there = new Set(found.map(({ digest }) => digest));
    const isKept = delivered.every((digest) => there.has(digest));
    if (!isKept) records.lose();
    for (const result of found) if (known.has(result.digest)) records.remember(result);
    for (const result of found) if (!known.has(result.digest)) records.add(result);
    yield* this.#taken();
    return isKept;
  }

  /** What is new; all that came after a bucket where one is given, of which and before which nothing is missing. */
  async *follow(resumedS: number | undefined): AsyncGenerator<FlowBatch> {
    const { client, server, records, clock, silenceMs, signal } = this.#parts;
    const ended = new AbortController();
    const method: StreamMethod<Buffer> = {
      path: '/goldmane.Flows/Stream',
      // a copy: the message is a part of a larger block
      read: (bytes, start, end) => Buffer.from(bytes.subarray(start, end)),
    };
    const request = encodeStreamRequest(resumedS === undefined ? 0 : resumedS + bucketS);
    const stream = serverStream(client, server, method, request, AbortSignal.any([signal, ended.signal]));
    let arrival = stream.next();
    let heardMs = clock.now();
    let lookMs = heardMs + silenceMs;
    try {
      for (;;) {
        const arrived = await this.#until(lookMs, arrival);
        const nowMs = clock.now();
        lookMs = nowMs + silenceMs;
        if (arrived === undefined) {
          yield* this.#afterSilence(nowMs - heardMs);
          continue;
        }
        heardMs = nowMs;
        if (signal.aborted) return;
        if (arrived.done === true) throw new GrpcError(`${server}: it ended the stream, as when it is restarted`);
        for (const bytes of arrived.value) {
          const result = records.decode(bytes);
          if (result === undefined) continue;
          yield* this.#gapBefore(result);
          if (wasDelivered(result, resumedS)) records.skip();
          else records.add(result);
        }
        yield* this.#taken();
        arrival = stream.next();
      }
    } finally {
      ended.abort();
      await arrival.catch(() => undefined);
      await stream.return();
    }
  }

  /** The stream goes from bucket to bucket: between two of them nothing happened, or it left something out. */
  async *#gapBefore(result: FlowResult): AsyncGenerator<FlowBatch> {
    const { lastS } = this.#parts.records;
    const untilS = bucketOf(result);
    if (lastS !== undefined && untilS !== undefined && untilS > lastS + bucketS) {
      yield* this.#listed(lastS + bucketS, untilS);
    }
  }

  /** Silence is quiet, or a stream that is stuck: then it throws, for another connection. */
  async *#afterSilence(silentMs: number): AsyncGenerator<FlowBatch> {
    const { server, records } = this.#parts;
    const { lastS } = records;
    if (lastS === undefined) return;
    // as the server's clock is not known: it was past the bucket by 15 s at least when the last result arrived
    const untilS = lastS + Math.floor(silentMs / 1_000 / bucketS) * bucketS;
    let isStuck = false;
    for await (const batch of this.#listed(lastS + bucketS, untilS)) {
      isStuck = true;
      yield batch;
    }
    if (!isStuck) return;
    const words = `for ${Math.round(silentMs / 1_000)} s nothing came over its stream although it had flows`;
    throw new GrpcError(`${server}: ${words}; connecting anew`);
  }

  /** Buckets that the stream does not bring, one by one, so that they are what it would have brought. */
  async *#listed(fromS: number, untilS: number): AsyncGenerator<FlowBatch> {
    const { records } = this.#parts;
    if (untilS <= fromS) return;
    const any = await this.#list(fromS, untilS, 0, 1);
    if (any.results.length === 0) return;
    for (let atS = Math.max(fromS, untilS - keptS); atS < untilS; atS += bucketS) {
      for await (const page of this.#pages(atS, atS + bucketS)) {
        for (const bytes of page.results) {
          const result = records.decode(bytes);
          if (result !== undefined) records.add(result);
        }
        yield* this.#taken();
      }
    }
  }

  async *#pages(fromS: number, untilS: number): AsyncGenerator<ListPage> {
    for (let page = 0, pages = 1; page < pages; page++) {
      const listed = await this.#list(fromS, untilS, page, pageSize);
      pages = listed.totalPages;
      yield listed;
    }
  }

  async #list(fromS: number, untilS: number, page: number, size: number): Promise<ListPage> {
    const { client, server, signal } = this.#parts;
    const request = encodeListRequest({ fromS, untilS, page, pageSize: size });
    const reply = await unaryCall(client, server, '/goldmane.Flows/List', request, signal);
    try {
      return decodeListResult(reply);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      throw new GrpcError(`${server}: its list of flows cannot be read (${error.message}); check its version`);
    }
  }

  *#taken(): Generator<FlowBatch> {
    const { records } = this.#parts;
    if (records.size > 0) yield records.takeBatch();
  }

  /** Undefined: the time is over. */
  async #until<Value>(timeMs: number, arrival: Promise<Value>): Promise<Value | undefined> {
    const { clock } = this.#parts;
    const over = new AbortController();
    const silence = clock.sleep(Math.max(0, timeMs - clock.now()), over.signal).then(
      () => undefined,
      () => undefined,
    );
    try {
      return await Promise.race([arrival, silence]);
    } finally {
      over.abort();
    }
  }
}

/** Servers may begin before what they were asked for. */
function wasDelivered(result: FlowResult, resumedS: number | undefined): boolean {
  const startS = bucketOf(result);
  return resumedS !== undefined && startS !== undefined && startS <= resumedS;
}
