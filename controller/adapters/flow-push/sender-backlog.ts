/** A batch that waits to be delivered. */
export interface WaitingBatch {
  /** 1, 2, 3, … since the process began. */
  readonly sequence: number;
  /** Compressed lines; undefined: nothing happened. */
  readonly body: Uint8Array | undefined;
  /** That the node was observed, as compressed lines, for who takes them. */
  readonly alive: Uint8Array | undefined;
  /** Flows that it tells of, and events that it says are lost. */
  readonly events: number;
  /** Those of all batches before it. */
  readonly eventsBefore: number;
}

/** How far somebody is: up to and with which batch, and with how many events until then. */
export interface BacklogPosition {
  readonly sequence: number;
  readonly events: number;
}

/** Batches in their order, bounded in bytes: the oldest are dropped for the newest. */
export class SenderBacklog {
  readonly #mostBytes: number;
  #batches: WaitingBatch[] = [];
  #bytes = 0;
  #latest: BacklogPosition = { sequence: 0, events: 0 };
  #released: BacklogPosition = { sequence: 0, events: 0 };
  #dropped = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Batches that were dropped. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Where everybody is at least, so where somebody new begins. */
  get released(): BacklogPosition {
    return this.#released;
  }

  /** Of the batch that was added last. */
  get latest(): BacklogPosition {
    return this.#latest;
  }

  add(batch: Pick<WaitingBatch, 'body' | 'alive' | 'events'>): void {
    const { sequence, events: eventsBefore } = this.#latest;
    this.#batches.push({ ...batch, sequence: sequence + 1, eventsBefore });
    this.#latest = { sequence: sequence + 1, events: eventsBefore + batch.events };
    this.#bytes += bytesOf(batch);
    while (this.#bytes > this.#mostBytes && this.#batches.length > 1) {
      this.#dropFirst();
      this.#dropped++;
    }
  }

  /** The first batch after a position. What lies between the two was dropped. */
  after({ sequence }: BacklogPosition): WaitingBatch | undefined {
    const [first] = this.#batches;
    return first === undefined ? undefined : this.#batches[Math.max(0, sequence + 1 - first.sequence)];
  }

  /** Everybody is at least there: what comes before is not needed any more. */
  release(position: BacklogPosition): void {
    if (position.sequence <= this.#released.sequence) return;
    this.#released = position;
    while ((this.#batches[0]?.sequence ?? Number.POSITIVE_INFINITY) <= position.sequence) this.#dropFirst();
  }

  #dropFirst(): void {
    const first = this.#batches.shift();
    if (first !== undefined) this.#bytes -= bytesOf(first);
  }
}

function bytesOf({ body, alive }: Pick<WaitingBatch, 'body' | 'alive'>): number {
  return (body?.length ?? 0) + (alive?.length ?? 0);
}
