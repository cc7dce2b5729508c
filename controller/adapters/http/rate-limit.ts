import type { Clock } from '../../ports.ts';

export interface Rate {
  /** So many at once. */
  readonly burst: number;
  /** And then so many a second. */
  readonly perSecond: number;
}

interface Bucket {
  left: number;
  atMs: number;
}

/** Whoever is new while so many are remembered takes the place of the one that was heard of least lately. */
const mostRemembered = 10_000;

/** How often each of many may ask. */
export class RateLimit {
  readonly #rate: Rate;
  readonly #clock: Clock;
  /** In the order in which they were heard of. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(rate: Rate, clock: Clock) {
    this.#rate = rate;
    this.#clock = clock;
  }

  /** Undefined: it may; else after how many seconds it may try again. */
  take(key: string): number | undefined {
    const { burst, perSecond } = this.#rate;
    const nowMs = this.#clock.now();
    const bucket = this.#buckets.get(key) ?? { left: burst, atMs: nowMs };
    const left = Math.min(burst, bucket.left + (Math.max(0, nowMs - bucket.atMs) / 1_000) * perSecond);
    const allowed = left >= 1;
    this.#buckets.delete(key);
    this.#buckets.set(key, { left: allowed ? left - 1 : left, atMs: nowMs });
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > mostRemembered && oldest !== undefined) this.#buckets.delete(oldest);
    return allowed ? undefined : Math.max(1, Math.ceil((1 - left) / perSecond));
  }
}
