import type { Clock } from '../ports.ts';
import { backoffMs, type BackoffLimits, defaultBackoff } from './backoff.ts';
import { DueTimes } from './due-times.ts';

export interface WorkQueueOptions {
  readonly clock: Clock;
  /** In [0, 1), for the jitter of retries. */
  readonly random: () => number;
  readonly backoff?: BackoffLimits;
}

/**
 * Keys of things to look at, first come first served, urgent ones before all others. A key stands in it once, however often
 * it is added, and is never in two hands: added while it is worked on, it comes again afterwards. A delayed key that is
 * added meanwhile comes at once and after the delay, so that no wish to look again is lost.
 */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #backoff: BackoffLimits;
  /** Keys that wait and are urgent, in the order of arrival. */
  readonly #urgent = new Set<string>();
  /** In the order of arrival, from `#head` on; what is before that, and what is not waiting any more, was taken. */
  #order: string[] = [];
  #head = 0;
  /** Since when each key of `#order` waits. */
  readonly #waiting = new Map<string, number>();
  readonly #delayed = new DueTimes();
  readonly #inWork = new Set<string>();
  /** Keys in work that were added again, and since when. */
  readonly #again = new Map<string, number>();
  readonly #failures = new Map<string, number>();
  readonly #wakers = new Set<() => void>();

  constructor({ clock, random, backoff = defaultBackoff }: WorkQueueOptions) {
    this.#clock = clock;
    this.#random = random;
    this.#backoff = backoff;
  }

  add(key: string): void {
    this.#admitDue();
    this.#admit(key, this.#clock.now());
    this.#wakeAll();
  }

  /** Before all keys that are not urgent. */
  addUrgent(key: string): void {
    this.#urgent.add(key);
    this.add(key);
  }

  /** Of several delays of one key the shortest holds. */
  addAfter(key: string, delayMs: number): void {
    this.#delayed.add(key, this.#clock.now() + Math.max(0, delayMs));
    this.#wakeAll();
  }

  /** Later each time, until the key is forgotten. */
  addBackedOff(key: string): void {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    this.addAfter(key, backoffMs(failures, this.#random(), this.#backoff));
  }

  /** How often in a row it was backed off. */
  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** Its failures are; the key itself still comes when it was added. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /**
   * Keys for one worker, until aborted; a key is in its hands until it asks for the next one. Several workers may take at
   * the same time.
   */
  async *take(signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    for (;;) {
      const key = await this.#next(signal);
      if (key === undefined) return;
      try {
        yield key;
      } finally {
        this.#release(key);
      }
    }
  }

  /** Keys that nobody works on yet and that are due. */
  size(): number {
    this.#admitDue();
    return this.#waiting.size + this.#again.size;
  }

  /** How long the key that waits longest has been due, in milliseconds; 0 when none waits. */
  oldestAgeMs(): number {
    this.#admitDue();
    const now = this.#clock.now();
    let since = now;
    for (const times of [this.#waiting, this.#again]) for (const ms of times.values()) since = Math.min(since, ms);
    return now - since;
  }

  async #next(signal: AbortSignal): Promise<string | undefined> {
    while (!signal.aborted) {
      this.#admitDue();
      const key = this.#shift();
      if (key !== undefined) return key;
      await this.#change(signal);
    }
    return undefined;
  }

  #shift(): string | undefined {
    const key = this.#firstUrgent() ?? this.#firstInOrder();
    if (key === undefined) return undefined;
    this.#urgent.delete(key);
    this.#waiting.delete(key);
    this.#inWork.add(key);
    return key;
  }

  #firstUrgent(): string | undefined {
    for (const key of this.#urgent) if (this.#waiting.has(key)) return key;
    return undefined;
  }

  #firstInOrder(): string | undefined {
    for (;;) {
      const key = this.#order[this.#head];
      if (key === undefined) return undefined;
      this.#head++;
      if (this.#head > 1000 && this.#head * 2 > this.#order.length) {
        this.#order = this.#order.slice(this.#head);
        this.#head = 0;
      }
      // it may have been taken as an urgent one
      if (this.#waiting.has(key)) return key;
    }
  }

  #release(key: string): void {
    this.#inWork.delete(key);
    const since = this.#again.get(key);
    if (since === undefined) return;
    this.#again.delete(key);
    this.#admit(key, since);
    this.#wakeAll();
  }

  #admit(key: string, sinceMs: number): void {
    if (this.#inWork.has(key)) {
      if (!this.#again.has(key)) this.#again.set(key, sinceMs);
    } else if (!this.#waiting.has(key)) {
      this.#waiting.set(key, sinceMs);
      this.#order.push(key);
    }
  }

  #admitDue(): void {
    const now = this.#clock.now();
    for (let due = this.#delayed.take(now); due !== undefined; due = this.#delayed.take(now)) {
      this.#admit(due.key, due.dueMs);
    }
  }

  /** Resolves when there may be something to take, or the wait is over. */
  async #change(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = new AbortController();
    this.#wakers.add(resolve);
    signal.addEventListener('abort', () => resolve(), { once: true, signal: waiting.signal });
    const dueMs = this.#delayed.next();
    try {
      await (dueMs === undefined ? promise : Promise.race([promise, this.#sleepUntil(dueMs, waiting.signal)]));
    } finally {
      this.#wakers.delete(resolve);
      waiting.abort();
    }
  }

  async #sleepUntil(dueMs: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#clock.sleep(Math.max(0, dueMs - this.#clock.now()), signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  #wakeAll(): void {
    for (const wake of this.#wakers) wake();
  }
}
