interface DueTime {
  readonly key: string;
  readonly dueMs: number;
  /** Ascending: of keys that are due at once the one that was added first comes first. */
  readonly order: number;
}

/** When keys are due, at most one time for each: a binary heap in which times that are no longer true are passed over. */
export class DueTimes {
  readonly #heap: DueTime[] = [];
  readonly #dueMs = new Map<string, number>();
  #order = 0;

  /** Number of keys that wait. */
  get size(): number {
    return this.#dueMs.size;
  }

  /** The earlier of two times for one key holds. */
  add(key: string, dueMs: number): void {
    const known = this.#dueMs.get(key);
    if (known !== undefined && known <= dueMs) return;
    this.#dueMs.set(key, dueMs);
    this.#heap.push({ key, dueMs, order: this.#order++ });
    this.#raise(this.#heap.length - 1);
  }

  /** The earliest time of all, or undefined when no key waits. */
  next(): number | undefined {
    return this.#first()?.dueMs;
  }

  /** Takes out one key that is due by then, the earliest first. */
  take(nowMs: number): DueTime | undefined {
    const first = this.#first();
    if (first === undefined || first.dueMs > nowMs) return undefined;
    this.#dueMs.delete(first.key);
    this.#removeFirst();
    return first;
  }

  #first(): DueTime | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || this.#dueMs.get(first.key) === first.dueMs) return first;
      this.#removeFirst();
    }
  }

  #removeFirst(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#lower(0);
  }

  #raise(position: number): void {
    for (let at = position; at > 0; ) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(at, parent)) return;
      this.#swap(parent, at);
      at = parent;
    }
  }

  #lower(position: number): void {
    for (let at = position; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) if (this.#isBefore(child, least)) least = child;
      if (least === at) return;
      this.#swap(least, at);
      at = least;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [one, other] = [this.#heap[a], this.#heap[b]];
    if (one === undefined || other === undefined) return one !== undefined;
    return one.dueMs < other.dueMs || (one.dueMs === other.dueMs && one.order < other.order);
  }

  #swap(a: number, b: number): void {
    const [one, other] = [this.#heap[a], this.#heap[b]];
    if (one === undefined || other === undefined) return;
    this.#heap[a] = other;
    this.#heap[b] = one;
  }
}
