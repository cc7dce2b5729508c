import type { Clock, FlowBatch, FlowSource, RejectedRecord, SourcePositions } from '../../ports.ts';
import { formatPosition, ProducerPositions } from './producer-positions.ts';
import { type HeldBytes, PushBudget } from './push-budget.ts';
import type { PushLimits } from './push-limits.ts';
import { PushRefusal } from './push-refusal.ts';

/** What a body turned out to hold. */
export type PushedBatch = Pick<FlowBatch, 'flows' | 'losses' | 'observed' | 'rejected' | 'records' | 'skipped'>;

/** Who a batch is from. */
export interface PushedBy {
  /** Whoever this names shares one part of the queue. */
  readonly share: string;
  /** Undefined: a batch that cannot be told from a second delivery of it. */
  readonly numbered: { readonly producer: string; readonly sequence: number } | undefined;
}

/** A batch that is saved, whenever that was. */
export interface PushReceipt {
  readonly accepted: number;
  readonly rejected: readonly RejectedRecord[];
  /** It was saved before; nothing of it was counted now. */
  readonly repeated: boolean;
}

const repeated: PushReceipt = { accepted: 0, rejected: [], repeated: true };

/**
 * What was pushed, on its way from the sockets into the evidence. A batch is taken when there is room for it, and its
 * receipt is given when it is saved; numbered batches are counted once however often they come.
 */
export class PushIntake implements FlowSource {
  readonly name = 'push endpoint';
  readonly #clock: Clock;
  readonly #budget: PushBudget;
  #positions = new ProducerPositions(new Map());
  #state: 'closed' | 'open' | 'ending' = 'closed';
  #queue: FlowBatch[] = [];
  /** Bodies that are being read. */
  #reading = 0;
  #changed = Promise.withResolvers<void>();
  /** Batches that are not saved yet, of producers that number them. */
  readonly #underWay = new Map<string, { readonly sequence: number; readonly receipt: Promise<PushReceipt> }>();
  /** Of batches that were read and are not saved yet. */
  readonly #unsaved = new Set<(refusal: PushRefusal) => void>();

  constructor(limits: Pick<PushLimits, 'queueBytes'>, clock: Clock) {
    this.#budget = new PushBudget(limits.queueBytes);
    this.#clock = clock;
  }

  /** Of all that was begun and is not saved yet. */
  get heldBytes(): number {
    return this.#budget.heldBytes;
  }

  /** From now on batches are taken; `positions` are those of the store. */
  open(positions: SourcePositions): void {
    const prefix = `${this.name}/`;
    const own = [...positions].filter(([name]) => name.startsWith(prefix));
    this.#positions = new ProducerPositions(new Map(own.map(([name, text]) => [name.slice(prefix.length), text])));
    this.#state = 'open';
  }

  /** Takes no more; `batches` ends after those that were begun. */
  end(): void {
    if (this.#state === 'open') this.#state = 'ending';
    this.#tellChange();
  }

  /** Nothing is saved any more: who still waits is told to try again. */
  close(): void {
    this.#state = 'closed';
    this.#queue = [];
    for (const refuse of this.#unsaved) refuse(ending());
    this.#tellChange();
  }

  progress() {
    return { doneBytes: 0, totalBytes: undefined };
  }

  async *batches(signal: AbortSignal): AsyncGenerator<FlowBatch> {
    const aborted = Promise.withResolvers<void>();
    const abort = () => aborted.resolve();
    signal.addEventListener('abort', abort, { once: true });
    try {
      while (!signal.aborted) {
        const next = this.#queue.shift();
        if (next !== undefined) yield next;
        else if (this.#state === 'ending' && this.#reading === 0) return;
        else await Promise.race([this.#changed.promise, aborted.promise]);
      }
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /**
   * Reads a body with `read`, which calls `grow` before it keeps bytes of it, and answers when all of it is saved. Rejects
   * with PushRefusal, and with whatever `read` rejects with.
   */
  receive(by: PushedBy, read: (grow: HeldBytes['grow']) => Promise<PushedBatch>): Promise<PushReceipt> {
    const { numbered } = by;
    const { producer, sequence } = numbered ?? {};
    if (this.#state === 'closed')
      throw new PushRefusal('NotReady', 'the controller is not ready yet', { retryAfterS: 2 });
    if (producer !== undefined && sequence !== undefined) {
      if (sequence <= this.#positions.savedSequence(producer)) return Promise.resolve(repeated);
      const underWay = this.#underWay.get(producer);
      if (underWay?.sequence === sequence) return underWay.receipt;
      if (underWay !== undefined) {
        const message = `batch ${underWay.sequence} of this producer is not saved yet: send one after the other`;
        throw new PushRefusal('OneAtATime', message, { retryAfterS: 1 });
      }
    }
    if (this.#state === 'ending') throw ending();
    const receipt = this.#deliver(by, this.#budget.hold(by.share), read);
    if (producer !== undefined && sequence !== undefined) {
      this.#underWay.set(producer, { sequence, receipt });
      const forget = () => this.#underWay.delete(producer);
      receipt.then(forget, forget);
    }
    return receipt;
  }

  async #deliver(
    { numbered }: PushedBy,
    held: HeldBytes,
    read: (grow: HeldBytes['grow']) => Promise<PushedBatch>,
  ): Promise<PushReceipt> {
    const saved = Promise.withResolvers<void>();
    try {
      const batch = await this.#read(() => read(held.grow));
      // reading may have taken longer than there is somebody to take it
      if (this.#state === 'closed') throw ending();
      this.#unsaved.add(saved.reject);
      this.#queue.push({ ...batch, ...this.#position(numbered), saved: saved.resolve });
      this.#reading--;
      this.#tellChange();
      await saved.promise;
      if (numbered !== undefined) this.#positions.saved(numbered.producer, numbered.sequence, this.#clock.now());
      const { records, rejected } = batch;
      return { accepted: records - rejected.length, rejected, repeated: false };
    } finally {
      this.#unsaved.delete(saved.reject);
      held.release();
    }
  }

  /** Counted as being read until it is in the queue, or has failed. */
  async #read(read: () => Promise<PushedBatch>): Promise<PushedBatch> {
    this.#reading++;
    try {
      return await read();
    } catch (error) {
      this.#reading--;
      this.#tellChange();
      throw error;
    }
  }

  #position(numbered: PushedBy['numbered']): Pick<FlowBatch, 'position' | 'producer' | 'forgotten'> {
    const nowMs = this.#clock.now();
    if (numbered === undefined) return {};
    const { producer, sequence } = numbered;
    return { producer, position: formatPosition(sequence, nowMs), forgotten: this.#positions.forget(nowMs) };
  }

  #tellChange(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

function ending(): PushRefusal {
  return new PushRefusal('NotReady', 'the controller is ending; what it has not saved must be sent again', {
    retryAfterS: 1,
  });
}
