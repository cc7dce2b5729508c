/** An entry of a stream as we appended it. */
export interface OwnEntry {
  readonly producer: string;
  readonly number: number;
  readonly text: string;
}

interface Kept {
  readonly entry: OwnEntry;
  /** How many entries of ours the stream had got with it. */
  readonly count: number;
  readonly id: string;
  readonly appendedMs: number;
}

/** A server that dies has told its replica of everything by then, or it will not any more. */
const replicatedMs = 10_000;

/**
 * Entries of ours in one stream that wait there, or did until a moment ago, so that they can be appended again when the
 * server has lost them: with what was applied lately, for the worker may be lost too. Bounded: what does not fit is let go of,
 * the oldest first.
 */
export class AppendedEntries {
  readonly #mostBytes: number;
  #kept: Kept[] = [];
  #bytes = 0;
  /** The count of the latest that was let go of because there was no room. */
  #gone = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  get size(): number {
    return this.#kept.length;
  }

  add(entry: OwnEntry, count: number, id: string, appendedMs: number): void {
    this.#kept.push({ entry, count, id, appendedMs });
    this.#bytes += entry.text.length;
    let least = 0;
    while (this.#bytes > this.#mostBytes && least < this.#kept.length) {
      const oldest = this.#kept[least++] as Kept;
      this.#bytes -= oldest.entry.text.length;
      this.#gone = oldest.count;
    }
    if (least > 0) this.#kept.splice(0, least);
  }

  /** The stream has nothing before this id any more (undefined: nothing at all): all before it was applied. */
  appliedBefore(id: string | undefined, nowMs: number): void {
    const waits = (kept: Kept) => id !== undefined && !isBefore(kept.id, id);
    const isNeeded = (kept: Kept) => kept.appendedMs > nowMs - replicatedMs || waits(kept);
    const end = this.#kept.findIndex(isNeeded);
    const done = this.#kept.splice(0, end < 0 ? this.#kept.length : end);
    for (const { entry } of done) this.#bytes -= entry.text.length;
  }

  /** The stream has only the first `count` entries of ours: takes out all later ones, and how many are nowhere any more. */
  takeAfter(count: number): { readonly entries: readonly OwnEntry[]; readonly gone: number } {
    const lost = this.#kept.filter((kept) => kept.count > count);
    this.#kept = this.#kept.filter((kept) => kept.count <= count);
    this.#bytes = this.#kept.reduce((sum, { entry }) => sum + entry.text.length, 0);
    const gone = Math.max(0, this.#gone - count);
    this.#gone = Math.min(this.#gone, count);
    return { entries: lost.map(({ entry }) => entry), gone };
  }
}

/** Of ids of a stream: milliseconds and a number. */
function isBefore(a: string, b: string): boolean {
  const [aMs = 0, aNumber = 0] = a.split('-').map(Number);
  const [bMs = 0, bNumber = 0] = b.split('-').map(Number);
  return aMs < bMs || (aMs === bMs && aNumber < bNumber);
}
