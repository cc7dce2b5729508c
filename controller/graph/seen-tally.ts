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
const finestEntries = 3 << 13;
const slots = 1 << 15;

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

/** Open addressing; rows are kept plus one, 0 is a free slot. */
class TallyTable {
  readonly #rows: Uint32Array;
  readonly #outcomes: Uint8Array;
  readonly #spans: Uint32Array;
  readonly #seconds: Uint32Array;
  readonly #connections: Float64Array;
  readonly #mask: number;
  entries = 0;

  /** `size` is a power of two, and larger than there will be entries. */
  constructor(size: number) {
    this.#rows = new Uint32Array(size);
    this.#outcomes = new Uint8Array(size);
    this.#spans = new Uint32Array(size);
    this.#seconds = new Uint32Array(size);
    this.#connections = new Float64Array(size);
    this.#mask = size - 1;
  }

  add(row: number, outcome: number, span: number, second: number, connections: number): void {
    for (let slot = mix(row, outcome, span) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const kept = (this.#rows[slot] as number) - 1;
      if (kept < 0) {
        this.#rows[slot] = row + 1;
        this.#outcomes[slot] = outcome;
        this.#spans[slot] = span;
        this.#seconds[slot] = second;
        this.#connections[slot] = connections;
        this.entries++;
        return;
      }
      if (kept === row && this.#outcomes[slot] === outcome && this.#spans[slot] === span) {
        this.#seconds[slot] = Math.min(this.#seconds[slot] as number, second);
        this.#connections[slot] = (this.#connections[slot] as number) + connections;
        return;
      }
    }
  }

  *all(): Generator<SeenEntry> {
    for (const [slot, row] of this.#rows.entries()) {
      if (row === 0) continue;
      yield {
        row: row - 1,
        outcome: this.#outcomes[slot] as number,
        second: this.#seconds[slot] as number,
        connections: this.#connections[slot] as number,
      };
    }
  }
}
