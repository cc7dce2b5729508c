const rowWords = 30;
const pageBits = 12;
const pageRows = 1 << pageBits;
const pageMask = pageRows - 1;

/**
 * Word offsets inside of a row. The first six words are the doubles of `doubleColumn`, the last two hold the half words of
 * `halfColumn`.
 */
export const column = {
  source: 6,
  destination: 7,
  /** Port, protocol and direction, as `connectionKey` packs them. */
  key: 8,
  /** The next row of the same ordered pair, plus one; 0 ends the chain. */
  next: 9,
  allowed: 10,
  denied: 11,
  audited: 12,
  /** Level and number of bins, answered, sources. */
  meta: 13,
  bins: 14,
  /** 96 bits, one for each residue of the finest bins. */
  marks: 22,
  /** The smallest hashes of the pods that were the client; whole words, because a suspicion hangs on their number. */
  clientReplicas: 25,
} as const;

export const doubleColumn = { bytes: 0, firstMs: 1, lastMs: 2 } as const;

/** Offsets in half words. */
export const halfColumn = { serverReplicas: 56 } as const;

/**
 * All evidence in one growing table of numbers, one row of 120 bytes per connection, in pages that are never copied: a
 * million JavaScript objects would cost several times the memory, and most of the time in the garbage collector.
 */
export class EvidenceTable {
  readonly #words: Uint32Array[] = [];
  readonly #doubles: Float64Array[] = [];
  readonly #halves: Uint16Array[] = [];
  #rows = 0;
  /** Open addressing over (source, destination, key): row + 1, or 0 where free. */
  #index = new Uint32Array(1024);
  #mask = 1023;

  get rows(): number {
    return this.#rows;
  }

  word(row: number, field: number): number {
    return (this.#words[row >>> pageBits] as Uint32Array)[(row & pageMask) * rowWords + field] as number;
  }

  setWord(row: number, field: number, value: number): void {
    (this.#words[row >>> pageBits] as Uint32Array)[(row & pageMask) * rowWords + field] = value;
  }

  double(row: number, field: number): number {
    return (this.#doubles[row >>> pageBits] as Float64Array)[((row & pageMask) * rowWords) / 2 + field] as number;
  }

  setDouble(row: number, field: number, value: number): void {
    (this.#doubles[row >>> pageBits] as Float64Array)[((row & pageMask) * rowWords) / 2 + field] = value;
  }

  half(row: number, field: number): number {
    return (this.#halves[row >>> pageBits] as Uint16Array)[(row & pageMask) * rowWords * 2 + field] as number;
  }

  setHalf(row: number, field: number, value: number): void {
    (this.#halves[row >>> pageBits] as Uint16Array)[(row & pageMask) * rowWords * 2 + field] = value;
  }

  /** The row of a connection, or -1. */
  find(source: number, destination: number, key: number): number {
    return (this.#index[this.#slot(source, destination, key)] as number) - 1;
  }

  /** Appends the row of a connection that is not there yet; all but its identity is 0. */
  append(source: number, destination: number, key: number): number {
    const row = this.#rows++;
    if (row >>> pageBits === this.#words.length) {
      const page = new ArrayBuffer(pageRows * rowWords * 4);
      this.#words.push(new Uint32Array(page));
      this.#doubles.push(new Float64Array(page));
      this.#halves.push(new Uint16Array(page));
    }
    this.setWord(row, column.source, source);
    this.setWord(row, column.destination, destination);
    this.setWord(row, column.key, key);
    if (this.#rows * 4 > this.#index.length * 3) this.#grow();
    else this.#index[this.#slot(source, destination, key)] = row + 1;
    return row;
  }

  /** Where the connection is in the index, or the free slot where it belongs. */
  #slot(source: number, destination: number, key: number): number {
    for (let slot = mix(source, destination, key) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const row = (this.#index[slot] as number) - 1;
      if (row < 0) return slot;
      const words = this.#words[row >>> pageBits] as Uint32Array;
      const start = (row & pageMask) * rowWords;
      if (
        words[start + column.source] === source &&
        words[start + column.destination] === destination &&
        words[start + column.key] === key
      ) {
        return slot;
      }
    }
  }

  #grow(): void {
    this.#index = new Uint32Array(this.#index.length * 2);
    this.#mask = this.#index.length - 1;
    for (let row = 0; row < this.#rows; row++) {
      const source = this.word(row, column.source);
      const destination = this.word(row, column.destination);
      this.#index[this.#slot(source, destination, this.word(row, column.key))] = row + 1;
    }
  }
}

/** Mixes three 32-bit numbers into one; ends with the finaliser of MurmurHash3 (Austin Appleby, public domain). */
export function mix(a: number, b: number, c: number): number {
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

/** Orders keys by protocol, port, directed before undirected. */
export function sortableKey(key: number): number {
  const { protocol, port, directed } = splitKey(key);
  return protocol * 2 ** 17 + port * 2 + (directed ? 0 : 1);
}
