import type { Logger } from 'pino';
import type { HeldShard } from '../adapters/redis/shard-store.ts';
import { AttributionNow } from './attribution-now.ts';
import { counterSum, nothingCounted } from './counter-sum.ts';
import type { IngestCounters } from './live-ingest.ts';
import { mayPass, repairable } from './open-evidence.ts';
import type { Clock, ClusterView } from '../ports.ts';
import { ShardWorker } from './shard-worker.ts';

export interface ShardWorkOptions {
  /** How many shards there are. */
  readonly count: number;
  /** Undefined: another worker has it. Rejects with RedisStoreError. */
  readonly open: (shard: number) => Promise<HeldShard | undefined>;
  /** Of the other processes that count. */
  readonly others: () => OtherWorkers;
  readonly view: ClusterView;
  readonly flushMs: number;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
}

export interface OtherWorkers {
  readonly count: number;
  /** Shards that they hold. */
  readonly shards: ReadonlySet<number>;
}

/** How the saving of all shards fares. */
export interface ShardSaving {
  /** Of the shard that was saved longest ago; undefined: one of them was not yet, or there are none. */
  readonly lastSavedMs: number | undefined;
  /** What does not work now, in words, with the shards that it is about. */
  readonly problems: readonly string[];
}

const tickMs = 1_000;

/**
 * Counts the flows of as many shards as are the share of this process. Shards that nobody holds are taken up to that, and
 * those beyond it let go, without a pause for the others.
 */
export class ShardWork {
  readonly #options: ShardWorkOptions;
  readonly #attribution: AttributionNow;
  /** In the order in which they were taken. */
  readonly #workers = new Map<number, ShardWorker>();
  readonly #running = new Set<Promise<void>>();
  readonly #failed = Promise.withResolvers<never>();
  #before: IngestCounters = nothingCounted;

  constructor(options: ShardWorkOptions) {
    this.#options = options;
    this.#attribution = new AttributionNow(options.view, options.clock);
  }

  /** In ascending order. */
  get shards(): readonly number[] {
    return [...this.#workers.keys()].sort((a, b) => a - b);
  }

  /** Since the start, of all shards that were ever held. */
  get counters(): IngestCounters {
    return counterSum([this.#before, ...[...this.#workers.values()].map(({ counters }) => counters)]);
  }

  get saving(): ShardSaving {
    const workers = [...this.#workers.values()];
    const saved = workers.map(({ saving }) => saving.lastSavedMs ?? Number.NaN);
    const oldestMs = Math.min(...saved);
    const messages = Map.groupBy(
      workers.flatMap(({ shard, saving, unreadable }) =>
        [saving.failure, unreadable].flatMap((found) =>
          found ? [{ shard, text: `${found.where}: ${found.message}` }] : [],
        ),
      ),
      ({ text }) => text,
    );
    return {
      lastSavedMs: Number.isFinite(oldestMs) ? oldestMs : undefined,
      problems: [...messages].map(([text, of]) => `${text} (shards ${of.map(({ shard }) => shard).join(', ')})`),
    };
  }

  /** Until aborted; then saves all of it and lets go. Rejects with ControllerProblem for what a person has to repair. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    try {
      while (!signal.aborted) {
        await this.#balance(signal);
        await Promise.race([clock.sleep(tickMs, signal).catch(() => undefined), this.#failed.promise]);
      }
    } finally {
      await Promise.all([...this.#workers.values()].map((worker) => worker.release()));
      await Promise.all(this.#running);
    }
  }

  async #balance(signal: AbortSignal): Promise<void> {
    const { count, others, random, log } = this.#options;
    const { count: many, shards: taken } = others();
    const share = Math.ceil(count / (many + 1));
    const surplus = [...this.#workers.values()].slice(share);
    if (surplus.length > 0)
      log.info({ shards: surplus.map(({ shard }) => shard) }, 'shards are let go to share the work');
    await Promise.all(surplus.map((worker) => worker.release()));
    // not in the same order as all others who look for one
    const from = Math.floor(random() * count);
    for (let i = 0; i < count && this.#workers.size < share && !signal.aborted; i++) {
      const shard = (from + i) % count;
      if (!this.#workers.has(shard) && !taken.has(shard)) await this.#take(shard);
    }
  }

  async #take(shard: number): Promise<void> {
    const { open, view, flushMs, clock, log } = this.#options;
    const held = await repairable(() =>
      open(shard).catch((error: unknown) => {
        // the appending of flows tells that the server does not answer, and the next look tries again
        if (!mayPass(error)) throw error;
      }),
    );
    if (held === undefined) return;
    const { binMs } = view.clusterProfile().profile.learning;
    const worker = new ShardWorker({ shard, view, attribution: this.#attribution, binMs, flushMs, clock }, held);
    this.#workers.set(shard, worker);
    log.info({ shard }, 'a shard is held');
    const running: Promise<void> = worker
      .run()
      .catch((error: unknown) => this.#failed.reject(error))
      .finally(() => {
        this.#before = counterSum([this.#before, { ...worker.counters, held: 0 }]);
        this.#workers.delete(shard);
        this.#running.delete(running);
        log.info({ shard }, 'a shard is not held any more');
      });
    this.#running.add(running);
  }
}
