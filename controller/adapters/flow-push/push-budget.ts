import { PushRefusal } from './push-refusal.ts';

/** Part of the budget that one request holds. */
export interface HeldBytes {
  /** Throws PushRefusal `QueueFull` when there is no room; what was held before is still held. */
  readonly grow: (bytes: number) => void;
  readonly release: () => void;
}

/** A request costs some memory before its first byte is read. */
const bytesPerRequest = 8 * 1024;
const retryAfterS = 2;

/**
 * Memory for what was pushed and is not saved yet. Nobody may hold more than what is still free then, so that there is
 * always room for those who hold little: one alone gets half of it, two a third each (dynamic thresholds of Choudhury and
 * Hahne, 1998, with factor 1).
 */
export class PushBudget {
  readonly #mostBytes: number;
  readonly #held = new Map<string, number>();
  #heldBytes = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** For a request of whoever `share` stands for. Throws PushRefusal `QueueFull`. */
  hold(share: string): HeldBytes {
    let held = 0;
    const grow = (bytes: number) => {
      this.#take(share, bytes);
      held += bytes;
    };
    grow(bytesPerRequest);
    return {
      grow,
      release: () => {
        this.#give(share, held);
        held = 0;
      },
    };
  }

  #take(share: string, bytes: number): void {
    const all = this.#heldBytes + bytes;
    const own = (this.#held.get(share) ?? 0) + bytes;
    if (own > this.#mostBytes - all) {
      const message = `more is waiting to be saved than this producer's share of the queue; try again in ${retryAfterS} s`;
      throw new PushRefusal('QueueFull', message, { retryAfterS });
    }
    this.#heldBytes = all;
    this.#held.set(share, own);
  }

  #give(share: string, bytes: number): void {
    this.#heldBytes -= bytes;
    const left = (this.#held.get(share) ?? 0) - bytes;
    if (left > 0) this.#held.set(share, left);
    else this.#held.delete(share);
  }
}
