import type { ObservedAddresses } from '../../attribution/attribute-flow.ts';
import { GrowthSightings } from '../../graph/growth-sightings.ts';
import type { Growth } from '../../graph/growth.ts';
import type { TrafficGraph } from '../../graph/traffic-graph.ts';
import type { Problem } from '../../model/problem.ts';
import type { Sighting } from '../../model/sighting.ts';
import { MergedShards, type MergedShardsOptions } from './merged-shards.ts';
import { RedisStoreError } from './redis-store-error.ts';
import { type ServerMemory, serverMemory } from './server-memory.ts';
import { lookAtShard, noStore, type ShardLook, type StoreMoment } from './shard-look.ts';
import { shardName } from './shards.ts';

export interface EvidenceFollowerOptions extends MergedShardsOptions {
  /** Called for each kind of sighting that a worker has saved since the evidence was read; of no pod in particular. */
  readonly onSighting?: (sighting: Sighting) => void;
  /** Called with the graph whenever it is another one, because everything had to be read anew; also the first time. */
  readonly onReplaced?: (graph: TrafficGraph) => void;
  /** @default 1000 */
  readonly lookMs?: number;
  /** After everything was read, at least so long passes before it is read anew. @default 5000 */
  readonly readPauseMs?: number;
}

/** A shard as it was seen last. */
export interface FollowedShard {
  readonly shard: number;
  /** Who works on it, for people; undefined: nobody. */
  readonly holder: string | undefined;
  /** Entries of its stream that are not saved yet. */
  readonly waiting: number;
  readonly savedMs: number | undefined;
  readonly revision: number;
}

export interface FollowerHealth {
  /** Why something of the latest look failed: the graph lacks what came since. */
  readonly failure: Problem | undefined;
  /** When all shards were looked at last, without a failure. */
  readonly lastLookMs: number | undefined;
  /** How often everything was read: once, if nothing happens. */
  readonly readings: number;
  /** Why everything was read anew the last time. */
  readonly readAnew: string | undefined;
  /** Why some shard cannot be followed until everything is read anew, which comes soon: the graph lacks what came since. */
  readonly parted: string | undefined;
  /** Of each server, as it said last. */
  readonly memory: readonly ServerMemory[];
}

/** So many shards are read at once. */
const readAtOnce = 4;
/** After everything was read, at least so many times as long as it took passes before the next time. */
const readShare = 3;
const memoryMs = 10_000;

/**
 * The evidence of all shards in one graph, kept as it is in Redis by whoever does not write it: what each save has added is
 * merged. Where that is not to be had any more, or a server has lost something, everything is read anew into another graph.
 */
export class EvidenceFollower {
  readonly #options: EvidenceFollowerOptions;
  readonly #lookMs: number;
  readonly #sightings = new GrowthSightings();
  #merged: MergedShards | undefined;
  readonly #looks: (ShardLook | undefined)[];
  /** Up to which moment of each shard its sightings were told, whichever graph they came with. */
  readonly #told: (StoreMoment | undefined)[];
  #observed: { readonly texts: string; readonly addresses: ObservedAddresses } | undefined;
  #failure: Problem | undefined;
  #lastLookMs: number | undefined;
  #readings = 0;
  #readAnew: string | undefined;
  #notBeforeMs = 0;
  #memory: readonly ServerMemory[] = [];
  #memoryAskedMs = Number.NEGATIVE_INFINITY;

  constructor(options: EvidenceFollowerOptions) {
    this.#options = options;
    this.#lookMs = options.lookMs ?? 1_000;
    this.#looks = Array.from({ length: options.shards.count });
    this.#told = Array.from({ length: options.shards.count });
  }

  /** Undefined until everything was read once. */
  get graph(): TrafficGraph | undefined {
    return this.#merged?.graph;
  }

  get health(): FollowerHealth {
    return {
      failure: this.#failure,
      lastLookMs: this.#lastLookMs,
      readings: this.#readings,
      readAnew: this.#readAnew,
      parted: this.#merged?.parted,
      memory: this.#memory,
    };
  }

  /** All shards, in their order. */
  get shards(): readonly FollowedShard[] {
    return this.#looks.map((look, shard) => ({
      shard,
      holder: look?.holder,
      waiting: look?.waiting ?? 0,
      savedMs: look?.savedMs,
      revision: look?.revision ?? 0,
    }));
  }

  /** What sources said of the cluster's own addresses to any worker; the same value while it is. */
  get observed(): ObservedAddresses {
    const texts = this.#looks.map((look) => look?.observed ?? '').join('\n');
    if (this.#observed?.texts !== texts) this.#observed = { texts, addresses: unitedAddresses(texts) };
    return this.#observed.addresses;
  }

  /**
   * Reads everything, and tries again while servers do not answer. Rejects with RedisStoreError for what a person has to
   * repair, and with the signal's reason.
   */
  async load(signal: AbortSignal): Promise<void> {
    while (this.#merged === undefined) {
      try {
        await this.#readAll(signal);
        await this.#askMemory();
      } catch (error) {
        this.#tell(error);
        if (error instanceof RedisStoreError && !error.retryable) throw error;
      }
      if (this.#merged === undefined) await this.#options.clock.sleep(this.#lookMs, signal);
    }
  }

  /** Follows until aborted, after `load`. Rejects only for bugs. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#options.clock.sleep(this.#lookMs, signal);
        await this.#round(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#tell(error);
      }
    }
  }

  async #round(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const merged = this.#merged as MergedShards;
    await this.#look(merged);
    await this.#askMemory();
    if (clock.now() >= this.#notBeforeMs) {
      if (merged.parted !== undefined) {
        this.#readAnew = merged.parted;
        await this.#readAll(signal);
      } else if (merged.unread.length > 0) await this.#pacing(() => this.#readUnread(merged, signal));
    }
    this.#failure = undefined;
    this.#lastLookMs = clock.now();
  }

  /** Into another graph, while the one that there is goes on. */
  async #readAll(signal: AbortSignal): Promise<void> {
    const next = new MergedShards(this.#options);
    const before = this.#merged;
    await this.#pacing(async () => {
      const ended = new AbortController();
      const reading = this.#readUnread(next, AbortSignal.any([signal, ended.signal]));
      const done = reading.then(
        () => true,
        () => true,
      );
      try {
        while (!(await Promise.race([done, this.#pause(ended.signal)]))) {
          if (before !== undefined) await this.#look(before);
          // what was read first must not be too old when the last is
          await this.#look(next);
        }
        await reading;
        // what came meanwhile is told of by the graph that had what was before
        if (before !== undefined) await this.#look(before);
        await this.#look(next);
      } finally {
        ended.abort();
        await done;
      }
    });
    // it is tried again, not before its time
    if (next.parted !== undefined) {
      this.#readAnew = next.parted;
      return;
    }
    this.#readings++;
    this.#merged = next;
    this.#options.onReplaced?.(next.graph);
  }

  async #pause(signal: AbortSignal): Promise<false> {
    await this.#options.clock.sleep(this.#lookMs, signal).catch(() => undefined);
    return false;
  }

  async #pacing(work: () => Promise<void>): Promise<void> {
    const { clock, readPauseMs = 5_000 } = this.#options;
    const startMs = clock.now();
    try {
      await work();
    } finally {
      const now = clock.now();
      this.#notBeforeMs = now + Math.max(readPauseMs, readShare * (now - startMs));
    }
  }

  async #readUnread(merged: MergedShards, signal: AbortSignal): Promise<void> {
    const waiting = [...merged.unread];
    const readers = Array.from({ length: readAtOnce }, async () => {
      for (let shard = waiting.shift(); shard !== undefined; shard = waiting.shift()) {
        const moment = await merged.read(shard, signal);
        const told = this.#told[shard];
        if (told?.id !== moment.id || told.revision > moment.revision) this.#told[shard] = moment;
      }
    });
    await Promise.all(readers);
  }

  /** Looks at each shard until there is nothing new to be had of it. Rejects with what failed, after all others were seen. */
  async #look(merged: MergedShards): Promise<void> {
    const { link, shards } = this.#options;
    const looking = Array.from({ length: shards.count }, async (_, shard) => {
      for (;;) {
        const known = merged.momentOf(shard);
        const look = await lookAtShard(link, shardName(shards, shard), known ?? noStore);
        this.#looks[shard] = look;
        merged.add(shard, known, look, (growth, moment) => this.#tellSightings(shard, growth, moment));
        const after = merged.momentOf(shard);
        if (after === undefined || after === known || after.revision >= look.revision) return;
      }
    });
    const failed = (await Promise.allSettled(looking)).find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  }

  #tellSightings(shard: number, growth: Growth, moment: StoreMoment): void {
    const told = this.#told[shard];
    if (told?.id === moment.id && moment.revision <= told.revision) return;
    this.#told[shard] = moment;
    const { onSighting } = this.#options;
    if (onSighting === undefined) return;
    for (const sighting of this.#sightings.of(growth)) onSighting(sighting);
  }

  async #askMemory(): Promise<void> {
    const { clock, link, shards } = this.#options;
    if (clock.now() < this.#memoryAskedMs + memoryMs) return;
    this.#memoryAskedMs = clock.now();
    this.#memory = await serverMemory(link, shards);
  }

  #tell(error: unknown): void {
    if (!(error instanceof RedisStoreError)) throw error;
    this.#failure = error.problem;
  }
}

function unitedAddresses(texts: string): ObservedAddresses {
  const said = texts
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => JSON.parse(text) as ObservedAddresses);
  const united = (part: keyof ObservedAddresses) => [...new Set(said.flatMap((one) => one[part]))].sort();
  return { apiServer: united('apiServer'), nodes: united('nodes') };
}
