import type { Request, Response } from 'express';
import type { Clock } from '../../../ports.ts';
import { ApiProblem } from './api-problem.ts';
import { type EventRing, eventText } from './event-ring.ts';
import type { Caller, Sight } from './gate.ts';

export interface StreamLimits {
  /** Streams at once, and those of one caller. */
  readonly streams: number;
  readonly perCaller: number;
  /** What may wait for one client before it is cut off, in bytes. */
  readonly queuedBytes: number;
  /** How long a client may take nothing. */
  readonly stalledMs: number;
  readonly heartbeatMs: number;
  /** What one may see is asked for again so often. */
  readonly recheckMs: number;
}

export const defaultStreamLimits: StreamLimits = {
  streams: 1_000,
  perCaller: 300,
  queuedBytes: 4 * 1_048_576,
  stalledMs: 30_000,
  heartbeatMs: 15_000,
  recheckMs: 60_000,
};

interface Stream {
  readonly response: Response;
  readonly caller: Caller;
  readonly sight: Sight;
  /** Rejects, or answers with another sight, when the caller's rights are not what they were. */
  readonly recheck: () => Promise<Sight>;
  told: number;
  stalledSinceMs: number | undefined;
  checkedMs: number;
}

const heartbeat = Buffer.from(': alive\n\n');

/** Tells everybody who listens what happens. Nobody is waited for: who does not take it is cut off, and may come again. */
export class EventStreams {
  readonly #ring: EventRing;
  readonly #clock: Clock;
  readonly #limits: StreamLimits;
  readonly #streams = new Set<Stream>();

  constructor(ring: EventRing, clock: Clock, limits: StreamLimits = defaultStreamLimits) {
    this.#ring = ring;
    this.#clock = clock;
    this.#limits = limits;
  }

  get size(): number {
    return this.#streams.size;
  }

  /** Begins a stream, with what came after the position that the client names. Throws ApiProblem where there are too many. */
  open(request: Request, response: Response, who: Pick<Stream, 'caller' | 'sight' | 'recheck'>): void {
    const { caller, sight } = who;
    const own = [...this.#streams].filter((stream) => stream.caller.key === caller.key).length;
    if (this.#streams.size >= this.#limits.streams || own >= this.#limits.perCaller) {
      const headers = { 'Retry-After': '10' };
      throw new ApiProblem(503, 'TooManyStreams', 'too many streams are open', { headers });
    }
    response.status(200).set({
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      // what stands in between shall not hold events back
      'X-Accel-Buffering': 'no',
    });
    response.flushHeaders();
    const stream: Stream = {
      ...who,
      response,
      told: this.#ring.sequence,
      stalledSinceMs: undefined,
      checkedMs: this.#clock.now(),
    };
    const from = positionIn(request);
    const known = from === undefined ? undefined : this.#ring.resumable(from, sight.key);
    const position = this.#ring.position(sight.key);
    if (known === undefined) {
      this.#write(stream, eventText(from === undefined ? 'ready' : 'reset', { position }, position));
    } else {
      for (const text of this.#ring.again(known, sight)) this.#write(stream, text);
      this.#write(stream, eventText('ready', { position }, position));
    }
    this.#streams.add(stream);
    const ended = () => this.#streams.delete(stream);
    response.on('close', ended).on('error', ended);
    response.on('drain', () => (stream.stalledSinceMs = undefined));
  }

  /** Tells what came since. */
  tell(): void {
    const now = this.#ring.sequence;
    for (const stream of this.#streams) {
      if (stream.told === now) continue;
      for (const text of this.#ring.after(stream.told, stream.sight)) this.#write(stream, text);
      stream.told = now;
    }
  }

  /** Cuts off who takes nothing, and looks again at what each may see. */
  async run(signal: AbortSignal): Promise<void> {
    let beatMs = this.#clock.now();
    const { heartbeatMs, stalledMs, recheckMs } = this.#limits;
    const everyMs = Math.max(10, Math.min(heartbeatMs, stalledMs, recheckMs) / 4);
    while (!signal.aborted) {
      await this.#clock.sleep(everyMs, signal).catch(() => undefined);
      const nowMs = this.#clock.now();
      const beat = nowMs >= beatMs + heartbeatMs;
      if (beat) beatMs = nowMs;
      for (const stream of this.#streams) {
        if (stream.stalledSinceMs !== undefined && nowMs > stream.stalledSinceMs + stalledMs) stream.response.destroy();
        else if (beat) this.#write(stream, heartbeat);
        if (nowMs > stream.checkedMs + recheckMs) {
          stream.checkedMs = nowMs;
          void this.#recheck(stream);
        }
      }
    }
    for (const { response } of this.#streams) response.end();
  }

  async #recheck({ response, sight, recheck }: Stream): Promise<void> {
    const now = await recheck().catch(() => undefined);
    // with other rights everything is to be asked anew
    if (now?.key !== sight.key) response.end();
  }

  #write(stream: Stream, text: Buffer): void {
    const { response } = stream;
    if (response.destroyed || response.writableEnded) return;
    if (!response.write(text)) stream.stalledSinceMs ??= this.#clock.now();
    if (response.writableLength > this.#limits.queuedBytes) response.destroy();
  }
}

function positionIn(request: Request): string | undefined {
  const header = request.get('last-event-id');
  const asked = new URL(request.originalUrl, 'http://localhost').searchParams.get('after');
  const text = header ?? asked ?? '';
  return text === '' ? undefined : text;
}
