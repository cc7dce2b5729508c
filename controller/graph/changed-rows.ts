/** Which rows changed since they were last taken: one bit a row, so that marking costs nothing beside the change itself. */
export class ChangedRows {
  #bits = new Uint32Array(1024);
  #size = 0;

  /** How many rows are marked. */
  get size(): number {
    return this.#size;
  }

  mark(row: number): void {
    const word = row >>> 5;
    if (word >= this.#bits.length) this.#grow(word);
    const before = this.#bits[word] as number;
    const after = before | (1 << (row & 31));
    // the typed array reads a word back without its sign
    if (before === after >>> 0) return;
    this.#bits[word] = after;
    this.#size++;
  }

  /** The marked rows, ascending; none is marked afterwards. */
  take(): Uint32Array<ArrayBuffer> {
    const rows = new Uint32Array(this.#size);
    let found = 0;
    for (let word = 0; found < rows.length; word++) {
      for (let bits = this.#bits[word] as number; bits !== 0; bits &= bits - 1) {
        rows[found++] = word * 32 + (31 - Math.clz32(bits & -bits));
      }
    }
    this.clear();
    return rows;
  }

  clear(): void {
    this.#bits.fill(0);
    this.#size = 0;
  }

  #grow(word: number): void {
    const before = this.#bits;
    this.#bits = new Uint32Array(Math.max(before.length * 2, word + 1));
    this.#bits.set(before);
  }
}
