import type { StreamBatch } from './shard-stream.ts';

interface Kept {
  readonly batch: StreamBatch;
  /** How many batches of ours the stream had got with it. */
  readonly count: number;
  readonly id: string;
  readonly appendedMs: number;
}

/** A server that dies has told its replica of everything by then, or it will not any more. */
const replicatedMs = 10_000;

/**
 * Batches of ours in one stream that wait there, or did until a moment ago, so that they can be appended again when the
 * server has lost them: with what was applied lately, for the worker may be lost too. Bounded: what does not fit is let go of,
 * the oldest first.
 */
export class AppendedBatches {
  readonly #mostBytes: number;
  #kept: Kept[] = [];
  /** So many at its beginning are let go of already: to move all others with each of them takes longer than to append them. */
  #done = 0;
  #bytes = 0;
  /** The count of the latest that was let go of because there was no room. */
  #gone = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  get size(): number {
    return this.#kept.length - this.#done;
  }

  add(batch: StreamBatch, count: number, id: string, appendedMs: number): void {
    this.#kept.push({ batch, count, id, appendedMs });
    this.#bytes += batch.text.length;
    while (this.#bytes > this.#mostBytes) this.#gone = this.#letGo().count;
  }

  /** The stream has nothing before this id any more (undefined: nothing at all): all before it was applied. */
  appliedBefore(id: string | undefined, nowMs: number): void {
    const waits = (kept: Kept) => id !== undefined && !isBefore(kept.id, id);
    const isNeeded = (kept: Kept) => kept.appendedMs > nowMs - replicatedMs || waits(kept);
    while (this.size > 0 && !isNeeded(this.#kept[this.#done] as Kept)) this.#letGo();
  }

  /** The stream has only the first `count` batches of ours: takes out all later ones, and how many are nowhere any more. */
  takeAfter(count: number): { readonly batches: readonly StreamBatch[]; readonly gone: number } {
    const all = this.#kept.slice(this.#done);
    const lost = all.filter((kept) => kept.count > count);
    this.#kept = all.filter((kept) => kept.count <= count);
    this.#done = 0;
    this.#bytes = this.#kept.reduce((sum, { batch }) => sum + batch.text.length, 0);
    const gone = Math.max(0, this.#gone - count);
    this.#gone = Math.min(this.#gone, count);
    return { batches: lost.map(({ batch }) => batch), gone };
  }

  #letGo(): Kept {
    const oldest = this.#kept[this.#done++] as Kept;
    this.#bytes -= oldest.batch.text.length;
    if (this.#done * 8 > this.#kept.length) {
      this.#kept = this.#kept.slice(this.#done);
      this.#done = 0;
    }
    return oldest;
  }
}

/** Of ids of a stream: milliseconds and a number. */
function isBefore(a: string, b: string): boolean {
  const [aMs = 0, aNumber = 0] = a.split('-').map(Number);
  const [bMs = 0, bNumber = 0] = b.split('-').map(Number);
  return aMs < bMs || (aMs === bMs && aNumber < bNumber);
}
