import { mix } from './evidence-table.ts';

/** Connections of one row that began in the same span of time, with the same outcome. */
export interface SeenEntry {
  readonly row: number;
  readonly outcome: number;
  /** Of the first of them, since 1970. */
  readonly second: number;
  readonly connections: number;
}

/** So many entries may there be before times are told less finely; a quarter is free then. */
const finestEntries = 3 << 11;
const slots = 1 << 13;

/**
 * Counts what was seen by row, outcome and second, in a table of numbers. When it is full the spans of time double until
 * they are few enough, so that it grows with rows and outcomes and never with flows.
 */
export class SeenTally {
  #table = new TallyTable(slots);
  #limit = finestEntries;
  #spanSeconds = 1;

  add(row: number, outcome: number, second: number, connections: number): void {
    this.#table.add(row, outcome, Math.floor(second / this.#spanSeconds), second, connections);
    while (this.#table.entries > this.#limit) this.#fold();
  }

  /** All entries, in no order; none is left. */
  take(): SeenEntry[] {
    const taken = [...this.#table.all()];
    this.clear();
    return taken;
  }

  clear(): void {
    if (this.#table.entries > 0) this.#table = new TallyTable(slots);
    this.#limit = finestEntries;
    this.#spanSeconds = 1;
  }

  #fold(): void {
    const isWidest = this.#spanSeconds >= 2 ** 32;
    if (isWidest) this.#limit *= 2;
    else this.#spanSeconds *= 2;
    const folded = new TallyTable((this.#limit / 3) * 4);
    for (const { row, outcome, second, connections } of this.#table.all()) {
      folded.add(row, outcome, Math.floor(second / this.#spanSeconds), second, connections);
    }
    this.#table = folded;
  }
}

/** Words of a slot: row plus one (0: free), outcome, span, second; then the connections as a double. */
const slotWords = 6;
const slotDoubles = slotWords / 2;

/** Open addressing; all of a slot lies together, because a shard among many is hardly ever in the cache. */
class TallyTable {
  readonly #words: Uint32Array;
  readonly #doubles: Float64Array;
  readonly #mask: number;
  entries = 0;

  /** `size` is a power of two, and larger than there will be entries. */
  constructor(size: number) {
    const buffer = new ArrayBuffer(size * slotWords * Uint32Array.BYTES_PER_ELEMENT);
    this.#words = new Uint32Array(buffer);
    this.#doubles = new Float64Array(buffer);
    this.#mask = size - 1;
  }

  add(row: number, outcome: number, span: number, second: number, connections: number): void {
    const words = this.#words;
    for (let slot = mix(row, outcome, span) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const at = slot * slotWords;
      const sum = slot * slotDoubles + 2;
      const kept = (words[at] as number) - 1;
      if (kept < 0) {
        words[at] = row + 1;
        words[at + 1] = outcome;
        words[at + 2] = span;
        words[at + 3] = second;
        this.#doubles[sum] = connections;
        this.entries++;
        return;
      }
      if (kept === row && words[at + 1] === outcome && words[at + 2] === span) {
        if (second < (words[at + 3] as number)) words[at + 3] = second;
        this.#doubles[sum] = (this.#doubles[sum] as number) + connections;
        return;
      }
    }
  }

  *all(): Generator<SeenEntry> {
    const words = this.#words;
    for (let at = 0, slot = 0; at < words.length; at += slotWords, slot++) {
      const row = (words[at] as number) - 1;
      if (row < 0) continue;
      yield {
        row,
        outcome: words[at + 1] as number,
        second: words[at + 3] as number,
        connections: this.#doubles[slot * slotDoubles + 2] as number,
      };
    }
  }
}
