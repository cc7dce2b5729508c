/**
 * A bounded set of 64-bit keys (two 32-bit halves) that forgets the oldest: two generations of at most `capacity` keys
 * each. A key is remembered for at least the next `capacity` distinct keys.
 */
export class RecentKeys {
  readonly #capacity: number;
  #young: KeyTable;
  #old: KeyTable;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#young = new KeyTable();
    this.#old = new KeyTable();
  }

  /** Adds a key; false when it was there already. */
  add(high: number, low: number): boolean {
    if (this.#old.has(high, low) || !this.#young.add(high, low)) return false;
    if (this.#young.size >= this.#capacity) {
      const emptied = this.#old;
      emptied.clear();
      this.#old = this.#young;
      this.#young = emptied;
    }
    return true;
  }
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
