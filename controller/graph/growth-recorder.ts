import type { Sighting } from '../model/sighting.ts';
import { column, doubleColumn, type EvidenceTable } from './evidence-table.ts';
import type { ConnectionDelta, GraphDelta } from './graph-delta.ts';
import { type Growth, type SeenConnections, seenVerdicts } from './growth.ts';
import { SeenTally } from './seen-tally.ts';

const lastSecond = 2 ** 32 - 1;
const answers = [undefined, false, true] as const;

/** Remembers the counts of each connection as they were taken last, 20 bytes each, and what was seen since then. */
export class GrowthRecorder {
  readonly #table: EvidenceTable;
  readonly #seen = new SeenTally();
  /** Of each row: allowed, denied, audited. */
  #counts = new Uint32Array(3 * 1024);
  #bytes = new Float64Array(1024);

  constructor(table: EvidenceTable) {
    this.#table = table;
  }

  observe(row: number, { verdict, answered, connections }: Sighting, timeMs: number): void {
    const outcome = seenVerdicts.indexOf(verdict) * answers.length + answers.indexOf(answered);
    this.#seen.add(row, outcome, Math.min(Math.floor(timeMs / 1000), lastSecond), connections);
  }

  /** `changes` is what changed as it is now, of `rows` in the order of its connections, and what nodes gained. */
  take(changes: GraphDelta, rows: Uint32Array): Growth {
    const connections = changes.connections.map((now, i) => this.#gained(now, rows[i] as number));
    const positions = new Map<number, number>();
    rows.forEach((row, position) => positions.set(row, position));
    const sightings = this.#seen.take().map(({ row, outcome, second, connections }): SeenConnections => {
      return {
        connection: positions.get(row) as number,
        verdict: seenVerdicts[Math.floor(outcome / answers.length)] ?? 'none',
        answered: answers[outcome % answers.length],
        timeMs: second * 1000,
        connections,
      };
    });
    return { delta: { ...changes, connections }, sightings };
  }

  /** What there is now is known to all who follow: only what comes from now on is gained. */
  begin(): void {
    this.#seen.clear();
    for (let row = 0; row < this.#table.rows; row++) this.#noteTaken(row);
  }

  #gained(now: ConnectionDelta, row: number): ConnectionDelta {
    this.#makeRoom(row);
    const at = 3 * row;
    const gained = {
      ...now,
      allowed: now.allowed - (this.#counts[at] as number),
      denied: now.denied - (this.#counts[at + 1] as number),
      audited: now.audited - (this.#counts[at + 2] as number),
      bytes: now.bytes - (this.#bytes[row] as number),
    };
    this.#noteTaken(row);
    return gained;
  }

  #noteTaken(row: number): void {
    this.#makeRoom(row);
    this.#counts[3 * row] = this.#table.word(row, column.allowed);
    this.#counts[3 * row + 1] = this.#table.word(row, column.denied);
    this.#counts[3 * row + 2] = this.#table.word(row, column.audited);
    this.#bytes[row] = this.#table.double(row, doubleColumn.bytes);
  }

  #makeRoom(row: number): void {
    if (row < this.#bytes.length) return;
    const [counts, bytes] = [this.#counts, this.#bytes];
    const size = Math.max(2 * bytes.length, this.#table.rows);
    this.#counts = new Uint32Array(3 * size);
    this.#counts.set(counts);
    this.#bytes = new Float64Array(size);
    this.#bytes.set(bytes);
  }
}
