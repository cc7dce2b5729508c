import { gzipSync } from 'node:zlib';
import type { Clock } from '../../ports.ts';
import { backoffMs } from '../../reconcile/backoff.ts';
import type { BacklogPosition, SenderBacklog, WaitingBatch } from './sender-backlog.ts';
import type { DeliveryResult, SenderRequests } from './sender-request.ts';

export interface SenderTargetOptions {
  /** For people: the address as it was given, and what its name came to. */
  readonly name: string;
  readonly requests: Pick<SenderRequests, 'post' | 'close'>;
  readonly backlog: SenderBacklog;
  readonly producer: string;
  readonly clock: Clock;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** The lines that say that so many events are missing, compressed. */
  readonly lossBody: (events: number) => Uint8Array;
  /** It came further, or cannot. */
  readonly onChange: (result: DeliveryResult) => void;
}

const backoff = { firstMs: 500, mostMs: 30_000 };

/** One address that everything is delivered to, batch after batch in their order, however often it takes. */
export class SenderTarget {
  readonly #options: SenderTargetOptions;
  #position: BacklogPosition;
  #failure: string | undefined;
  /** Its latest answer said that it takes lines which say that a node was observed. */
  #takesObserved = false;
  #delivered = 0;
  #wake = Promise.withResolvers<void>();
  #urgent = Promise.withResolvers<void>();

  constructor(options: SenderTargetOptions, from: BacklogPosition) {
    this.#options = options;
    this.#position = from;
  }

  get name(): string {
    return this.#options.name;
  }

  get position(): BacklogPosition {
    return this.#position;
  }

  /** Why the latest attempt failed; undefined when it did not. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Batches that were acknowledged. */
  get delivered(): number {
    return this.#delivered;
  }

  /** There may be something to deliver. */
  wake(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  /** The pause before the next attempt ends now. */
  hurry(): void {
    this.#urgent.resolve();
    this.#urgent = Promise.withResolvers();
  }

  /** Until aborted. Rejects only for bugs. */
  async run(signal: AbortSignal): Promise<void> {
    const stopped = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    try {
      while (!signal.aborted) {
        const woken = this.#wake.promise;
        const next = this.#options.backlog.after(this.#position);
        if (next === undefined) await Promise.race([woken, stopped]);
        else await this.#deliver(next, signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#options.requests.close();
    }
  }

  /** The same bytes under the same number until they are taken: then a repetition is nothing new to the other side. */
  async #deliver(batch: WaitingBatch, signal: AbortSignal): Promise<void> {
    const { requests, producer, clock } = this.#options;
    const body = this.#bodyFor(batch);
    for (let failures = 0; !signal.aborted; failures++) {
      const delivery = { body, producer, sequence: batch.sequence, nowMs: clock.now() };
      const result = await requests.post(delivery, signal);
      this.#failure = result.kind === 'saved' ? undefined : result.message;
      if (result.kind !== 'failed') {
        const { sequence } = batch;
        this.#takesObserved = result.kind === 'saved' && result.takesObserved;
        // what is not taken is missing from the next one
        const events = result.kind === 'saved' ? batch.eventsBefore + batch.events : this.#position.events;
        this.#position = { sequence, events };
        if (result.kind === 'saved') this.#delivered++;
        this.#options.onChange(result);
        return;
      }
      this.#options.onChange(result);
      await this.#pause(result.retryAfterMs, failures, signal);
    }
  }

  /** What it is sent of a batch, as members of one gzip. */
  #bodyFor({ body, alive, eventsBefore }: WaitingBatch): Uint8Array {
    const missing = eventsBefore - this.#position.events;
    const parts = [
      ...(missing > 0 ? [this.#options.lossBody(missing)] : []),
      ...(body === undefined ? [] : [body]),
      ...(this.#takesObserved && alive !== undefined ? [alive] : []),
    ];
    // every controller takes a batch of nothing, and newer ones answer what else they take
    return parts.length === 0 ? gzipSync('') : Buffer.concat(parts);
  }

  async #pause(askedMs: number | undefined, failures: number, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    // agents that were all told the same must not come back together
    const askedLater = (askedMs ?? 0) * (1 + random() / 4);
    const pauseMs = askedMs === undefined ? backoffMs(failures + 1, random(), backoff) : askedLater;
    const ended = new AbortController();
    const waiting = AbortSignal.any([signal, ended.signal]);
    const slept = clock.sleep(Math.min(pauseMs, backoff.mostMs), waiting).catch(() => undefined);
    await Promise.race([slept, this.#urgent.promise]);
    ended.abort();
  }
}
