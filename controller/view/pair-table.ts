import { mix } from '../graph/evidence-table.ts';

/** Ordered pairs of numbers, each found again by a number of its own: 0, 1, 2, … in the order in which they came. */
export class PairTable {
  #sources: Int32Array<ArrayBuffer>;
  #targets: Int32Array<ArrayBuffer>;
  /** Open addressing: number + 1, or 0 where free. */
  #slots: Int32Array<ArrayBuffer>;
  #size = 0;

  /** `expected`: pairs that there is room for at first. */
  constructor(expected = 64) {
    this.#sources = new Int32Array(expected);
    this.#targets = new Int32Array(expected);
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(expected * 2 + 2)));
  }

  get size(): number {
    return this.#size;
  }

  source(index: number): number {
    return this.#sources[index] as number;
  }

  target(index: number): number {
    return this.#targets[index] as number;
  }

  /** Undefined where the pair is not there. */
  find(source: number, target: number): number | undefined {
    const index = (this.#slots[this.#slot(source, target)] as number) - 1;
    return index < 0 ? undefined : index;
  }

  /** Its number, which is new where the pair was not there. */
  open(source: number, target: number): number {
    const slot = this.#slot(source, target);
    const known = (this.#slots[slot] as number) - 1;
    if (known >= 0) return known;
    const index = this.#size++;
    if (index === this.#sources.length) {
      this.#sources = larger(this.#sources);
      this.#targets = larger(this.#targets);
    }
    this.#sources[index] = source;
    this.#targets[index] = target;
    this.#slots[slot] = index + 1;
    if (this.#size * 2 > this.#slots.length) this.#rehash();
    return index;
  }

  #slot(source: number, target: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = mix(source, target, 0) & mask; ; slot = (slot + 1) & mask) {
      const index = (this.#slots[slot] as number) - 1;
      if (index < 0 || (this.#sources[index] === source && this.#targets[index] === target)) return slot;
    }
  }

  #rehash(): void {
    this.#slots = new Int32Array(this.#slots.length * 2);
    for (let index = 0; index < this.#size; index++) {
      this.#slots[this.#slot(this.source(index), this.target(index))] = index + 1;
    }
  }
}

function larger(numbers: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const made = new Int32Array(numbers.length * 2);
  made.set(numbers);
  return made;
}
