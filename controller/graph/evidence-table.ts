/**
 * All evidence in one growing table of numbers, one row of 128 bytes per connection, in pages that are never copied:
 * a million JavaScript objects would cost several times the memory and most of the time in the garbage collector.
 */
export class EvidenceTable {
  readonly #words: Uint32Array[] = [];
  readonly #doubles: Float64Array[] = [];
  #rows = 0;
  /** Open addressing over (source, destination, key): row + 1, or 0 where free. */
  #index = new Uint32Array(1024);
  #mask = 1023;

  get rows(): number {
    return this.#rows;
  }

  word(row: number, field: number): number {
    return (this.#words[row >>> pageBits] as Uint32Array)[((row & pageMask) << 5) + field] as number;
  }

  setWord(row: number, field: number, value: number): void {
    (this.#words[row >>> pageBits] as Uint32Array)[((row & pageMask) << 5) + field] = value;
  }

  double(row: number, field: number): number {
    return (this.#doubles[row >>> pageBits] as Float64Array)[((row & pageMask) << 4) + field] as number;
  }

  setDouble(row: number, field: number, value: number): void {
    (this.#doubles[row >>> pageBits] as Float64Array)[((row & pageMask) << 4) + field] = value;
  }

  /** The row of a connection, or -1. */
  find(source: number, destination: number, key: number): number {
    return (this.#index[this.#slot(source, destination, key)] as number) - 1;
  }

  /** Appends the row of a connection that is not there yet. */
  append(source: number, destination: number, key: number): number {
    const row = this.#rows++;
    if (row >>> pageBits === this.#words.length) {
      const page = new ArrayBuffer(rowBytes << pageBits);
      this.#words.push(new Uint32Array(page));
      this.#doubles.push(new Float64Array(page));
    }
    this.setWord(row, column.source, source);
    this.setWord(row, column.destination, destination);
    this.setWord(row, column.key, key);
    if (this.#rows * 4 > this.#index.length * 3) this.#grow();
    else this.#index[this.#slot(source, destination, key)] = row + 1;
    return row;
  }

  #slot(source: number, destination: number, key: number): number {
    for (let slot = hash3(source, destination, key) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const row = (this.#index[slot] as number) - 1;
      if (row < 0) return slot;
      const words = this.#words[row >>> pageBits] as Uint32Array;
      const base = (row & pageMask) << 5;
      if (
        words[base + column.source] === source &&
        words[base + column.destination] === destination &&
        words[base + column.key] === key
      ) {
        return slot;
      }
    }
  }

  #grow(): void {
    this.#index = new Uint32Array(this.#index.length * 2);
    this.#mask = this.#index.length - 1;
    for (let row = 0; row < this.#rows; row++) {
      const slot = this.#slot(
        this.word(row, column.source),
        this.word(row, column.destination),
        this.word(row, column.key),
      );
      this.#index[slot] = row + 1;
    }
  }
}

const rowBytes = 128;
const pageBits = 12;
const pageMask = (1 << pageBits) - 1;

/** Word offsets inside a row; the first six words are the doubles of `doubleColumn`. */
export const column = {
  source: 6,
  destination: 7,
  /** port, protocol and direction: `connectionKey`. */
  key: 8,
  /** Next row of the same ordered pair, plus one; 0 ends the chain. */
  next: 9,
  allowed: 10,
  denied: 11,
  audited: 12,
  /** Bin level, number of bins, answered, sources: `packMeta`. */
  meta: 13,
  bins: 14,
  clientReplicas: 22,
  serverReplicas: 25,
  /** 128 bits: residues of the finest bins, see `marks`. */
  marks: 28,
} as const;

export const doubleColumn = { bytes: 0, firstMs: 1, lastMs: 2 } as const;

/** Mixes three 32-bit numbers into one (finaliser of MurmurHash3, Austin Appleby, public domain). */
export function hash3(a: number, b: number, c: number): number {
  let hash = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca77) ^ Math.imul(c, 0xc2b2ae3d);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

export function connectionKey(protocol: number, port: number, directed: boolean): number {
  return ((port << 16) | (protocol << 8) | (directed ? 1 : 0)) >>> 0;
}

export function splitKey(key: number): { protocol: number; port: number; directed: boolean } {
  return { port: key >>> 16, protocol: (key >>> 8) & 0xff, directed: (key & 1) === 1 };
}
