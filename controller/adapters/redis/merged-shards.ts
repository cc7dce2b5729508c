import { setImmediate } from 'node:timers/promises';
import type { GraphDelta } from '../../graph/graph-delta.ts';
import type { Growth } from '../../graph/growth.ts';
import { decodeGrowth } from '../../graph/growth-text.ts';
import { TrafficGraph } from '../../graph/traffic-graph.ts';
import { problem } from '../../model/problem.ts';
import type { Clock } from '../../ports.ts';
import { readEvidence } from './read-evidence.ts';
import type { RedisLink } from './redis-link.ts';
import { RedisStoreError } from './redis-store-error.ts';
import { noStore, type ShardLook, type StoreMoment } from './shard-look.ts';
import { shardName, type Shards } from './shards.ts';

export interface MergedShardsOptions {
  readonly link: RedisLink;
  readonly shards: Shards;
  readonly clock: Clock;
  /** Width of the finest time bins, as the shards have it. */
  readonly binMs: number;
}

const readAgainMs = 100;

/** One graph of the evidence of all shards, and which moment of each of them it has. */
export class MergedShards {
  readonly graph: TrafficGraph;
  readonly #options: MergedShardsOptions;
  readonly #moments: (StoreMoment | undefined)[];
  readonly #parted = new Map<number, string>();

  constructor(options: MergedShardsOptions) {
    this.#options = options;
    this.graph = new TrafficGraph({ binMs: options.binMs });
    this.#moments = Array.from({ length: options.shards.count });
  }

  /** Shards that nothing was read of yet. */
  get unread(): readonly number[] {
    return [...this.#moments.keys()].filter((shard) => this.#moments[shard] === undefined);
  }

  /** Why a shard cannot be followed any more, so that a new graph has to be made. */
  get parted(): string | undefined {
    return this.#parted.values().next().value;
  }

  /** What the graph has of a shard; undefined: nothing was read yet. */
  momentOf(shard: number): StoreMoment | undefined {
    return this.#moments[shard];
  }

  /** Reads a shard that is unread. Rejects with RedisStoreError, and with the signal's reason. */
  async read(shard: number, signal: AbortSignal): Promise<StoreMoment> {
    const { link, shards, clock, binMs } = this.#options;
    const name = shardName(shards, shard);
    for (;;) {
      const reading = await readEvidence({ link, name, keepUnused: true });
      if (reading === undefined) {
        // somebody saved meanwhile: right after that there is most time until the next one
        await clock.sleep(readAgainMs, signal);
        continue;
      }
      if (reading.binMs !== undefined && reading.binMs !== binMs) throw this.#otherBins(reading.binMs);
      await this.#mergeAll(shard, reading.evidence, signal);
      const { id, revision, save } = reading;
      const moment = { id, revision, save };
      this.#moments[shard] = moment;
      return moment;
    }
  }

  async #mergeAll(shard: number, parts: Iterable<GraphDelta>, signal: AbortSignal): Promise<void> {
    try {
      for (const part of parts) {
        this.graph.merge(part);
        // others have their turn
        await setImmediate(undefined, { signal });
      }
    } catch (error) {
      // a second try would count a part of it twice
      this.#parted.set(shard, `shard ${shard}: its evidence was read in part`);
      throw error;
    }
  }

  /** Adds what a look at a shard has found since `known`, unless the shard was read meanwhile, and tells of it. */
  add(
    shard: number,
    known: StoreMoment | undefined,
    look: ShardLook,
    onGrowth: (growth: Growth, moment: StoreMoment) => void,
  ): void {
    if (known === undefined || this.#moments[shard] !== known || this.#parted.has(shard)) return;
    if (!look.continues) return this.#begin(shard, known, look);
    for (const { moment, text } of look.growths) {
      const growth = text === undefined ? undefined : decodeGrowth(text);
      if (growth === undefined) return this.#part(shard, `what save ${moment.revision} added is not there any more`);
      if ('code' in growth) return this.#part(shard, growth.message);
      if (growth.delta.binMs !== this.graph.binMs) throw this.#otherBins(growth.delta.binMs);
      this.graph.merge(growth.delta);
      this.#moments[shard] = moment;
      onGrowth(growth, moment);
    }
  }

  /** Its store is another one, or at another moment. */
  #begin(shard: number, known: StoreMoment, { id, revision }: ShardLook): void {
    // its first saves can still be followed
    if (known.id === '') this.#moments[shard] = { ...noStore, id };
    else if (id !== known.id) this.#part(shard, 'its store was made anew');
    else if (revision < known.revision) this.#part(shard, `it went back from save ${known.revision} to ${revision}`);
    else this.#part(shard, `it went back and came to save ${revision} by another way`);
  }

  #part(shard: number, why: string): void {
    // nothing of it is in the graph: it can be read into this one
    if (this.#moments[shard]?.revision === 0) this.#moments[shard] = undefined;
    else this.#parted.set(shard, `shard ${shard}: ${why}`);
  }

  #otherBins(binMs: number): RedisStoreError {
    const message = `the stored evidence is in time bins of ${binMs / 1000}s, the profile asks for ${this.graph.binMs / 1000}s`;
    return new RedisStoreError(problem('EvidenceBinsDiffer', message, this.#options.link.name), { retryable: false });
  }
}
