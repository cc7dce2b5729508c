/** Keys that were added in one generation, in their order: two words each, high before low. */
export interface RecentKeyChunk {
  readonly generation: number;
  readonly keys: Uint32Array;
}

/**
 * A bounded set of 64-bit keys (two 32-bit halves) that forgets the oldest: two generations of at most `capacity` keys
 * each. A key is remembered for at least the next `capacity` distinct keys. Where it is journaled, what was added can be
 * taken and put into another one, which then knows the same.
 */
export class RecentKeys {
  readonly #capacity: number;
  readonly #journal: Journal[] | undefined;
  #young = new KeyTable();
  #old = new KeyTable();
  #generation = 0;

  constructor(capacity: number, journaled = false) {
    this.#capacity = capacity;
    this.#journal = journaled ? [] : undefined;
  }

  /** Adds a key; false when it was there already. */
  add(high: number, low: number): boolean {
    if (this.#old.has(high, low) || !this.#young.add(high, low)) return false;
    if (this.#journal !== undefined) this.#write(this.#journal, high, low);
    if (this.#young.size >= this.#capacity) this.#rotate();
    return true;
  }

  /** The keys that were added since this was asked last and are not forgotten; none where nothing is journaled. */
  takeAdded(): RecentKeyChunk[] {
    const taken = (this.#journal ?? []).map(({ generation, words, length }) => ({
      generation,
      keys: words.slice(0, length),
    }));
    this.#journal?.splice(0);
    return taken;
  }

  /** All keys that are not forgotten; those that were added and not taken yet are among them, and count as taken. */
  takeAll(): RecentKeyChunk[] {
    this.#journal?.splice(0);
    const old = { generation: this.#generation - 1, keys: this.#old.keys() };
    const young = { generation: this.#generation, keys: this.#young.keys() };
    return [old, young].filter(({ keys }) => keys.length > 0);
  }

  /** Makes an empty set know what was taken from another: chunks of a generation in the order of taking. */
  restore(chunks: readonly RecentKeyChunk[]): void {
    this.#generation = chunks.reduce((latest, { generation }) => Math.max(latest, generation), 0);
    for (const { generation, keys } of chunks) {
      const age = this.#generation - generation;
      if (age > 1) continue;
      const table = age === 0 ? this.#young : this.#old;
      for (let i = 0; i + 1 < keys.length; i += 2) table.add(keys[i] as number, keys[i + 1] as number);
    }
    if (this.#young.size >= this.#capacity) this.#rotate();
  }

  #rotate(): void {
    const emptied = this.#old;
    emptied.clear();
    this.#old = this.#young;
    this.#young = emptied;
    this.#generation++;
    const forgotten = (this.#journal ?? []).findIndex(({ generation }) => generation >= this.#generation - 1);
    this.#journal?.splice(0, Math.max(forgotten, 0));
  }

  #write(journal: Journal[], high: number, low: number): void {
    let latest = journal.at(-1);
    if (latest === undefined || latest.generation !== this.#generation) {
      latest = { generation: this.#generation, words: new Uint32Array(256), length: 0 };
      journal.push(latest);
    }
    if (latest.length === latest.words.length) {
      const longer = new Uint32Array(latest.words.length * 2);
      longer.set(latest.words);
      latest.words = longer;
    }
    latest.words[latest.length++] = high;
    latest.words[latest.length++] = low;
  }
}

/** Chunks without those of generations that are forgotten by now. */
export function withoutForgotten(chunks: readonly RecentKeyChunk[]): RecentKeyChunk[] {
  const latest = chunks.reduce((most, { generation }) => Math.max(most, generation), 0);
  return chunks.filter(({ generation }) => generation >= latest - 1);
}

interface Journal {
  readonly generation: number;
  words: Uint32Array;
  length: number;
}

/** Open addressing with linear probing over pairs of words; (0, 0) marks a free slot, so that key is stored as (0, 1). */
class KeyTable {
  #slots = new Uint32Array(2 * 1024);
  #mask = 1023;
  size = 0;

  has(high: number, low: number): boolean {
    const slot = this.#find(high, low);
    return this.#slots[slot] !== 0 || this.#slots[slot + 1] !== 0;
  }

  add(high: number, low: number): boolean {
    const slot = this.#find(high, low);
    if (this.#slots[slot] !== 0 || this.#slots[slot + 1] !== 0) return false;
    this.#slots[slot] = high;
    this.#slots[slot + 1] = high === 0 && low === 0 ? 1 : low;
    this.size++;
    if (this.size * 2 > this.#mask) this.#grow();
    return true;
  }

  keys(): Uint32Array {
    const found = new Uint32Array(2 * this.size);
    let length = 0;
    for (let i = 0; i < this.#slots.length; i += 2) {
      const [high, low] = [this.#slots[i] as number, this.#slots[i + 1] as number];
      if (high === 0 && low === 0) continue;
      found[length++] = high;
      found[length++] = low;
    }
    return found;
  }

  clear(): void {
    this.#slots.fill(0);
    this.size = 0;
  }

  /** Word offset of the key's slot, or of the free slot where it belongs. */
  #find(high: number, low: number): number {
    const wanted = high === 0 && low === 0 ? 1 : low;
    const slots = this.#slots;
    for (let i = (high ^ wanted) & this.#mask; ; i = (i + 1) & this.#mask) {
      const h = slots[2 * i];
      const l = slots[2 * i + 1];
      if ((h === high && l === wanted) || (h === 0 && l === 0)) return 2 * i;
    }
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Uint32Array(before.length * 2);
    this.#mask = this.#slots.length / 2 - 1;
    for (let i = 0; i < before.length; i += 2) {
      const high = before[i] as number;
      const low = before[i + 1] as number;
      if (high === 0 && low === 0) continue;
      const slot = this.#find(high, low);
      this.#slots[slot] = high;
      this.#slots[slot + 1] = low;
    }
  }
}
