import { FlowAttributor } from '../../controller/attribution/attribute-flow.ts';
import type { RedisLink } from '../../controller/adapters/redis/redis-link.ts';
import { type Shards, shardName } from '../../controller/adapters/redis/shards.ts';
import { readEvidence } from '../../controller/adapters/redis/read-evidence.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import { AttributionNow } from '../../controller/intake/attribution-now.ts';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import type { Cluster } from '../../controller/model/cluster.ts';
import type { Flow } from '../../controller/model/flow.ts';
import { countShard, shardBinMs, type CountedShard } from './counted-shard.ts';
import { StaticView } from './static-view.ts';

export interface WorkerOptions {
  /** Its own. */
  readonly link: RedisLink;
  readonly shards: Shards;
  readonly cluster: Cluster;
  readonly flushMs?: number;
  readonly leaseMs?: number;
  /** Leaves the others alone. @default all */
  readonly only?: readonly number[];
}

/** Works on every shard that is free, as a process of its own would, until it is stopped or dropped. */
export class ShardWorker {
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>;
  readonly #link: RedisLink;
  readonly #shards: readonly CountedShard[];

  private constructor(link: RedisLink, shards: readonly CountedShard[]) {
    this.#link = link;
    this.#shards = shards;
    const { signal } = this.#stop;
    this.#running = Promise.all(
      shards.flatMap(({ ingest, intake, keeper }) => [ingest.run([intake], signal), keeper.run(signal)]),
    );
  }

  static async start({
    link,
    shards,
    cluster,
    flushMs = 20,
    leaseMs = 500,
    only,
  }: WorkerOptions): Promise<ShardWorker> {
    const view = new StaticView(cluster);
    const attribution = new AttributionNow(view, systemClock);
    const paces = { flushMs, leaseMs, graceMs: 1 };
    const wanted = only ?? Array.from({ length: shards.count }, (_, i) => i);
    const counted = await Promise.all(
      wanted.map((shard) => countShard({ link, shards, shard, who: 'a test', view, attribution, ...paces })),
    );
    return new ShardWorker(
      link,
      counted.filter((shard) => shard !== undefined),
    );
  }

  get shards(): number {
    return this.#shards.length;
  }

  /** So many were counted. */
  get flows(): number {
    return this.#shards.reduce((sum, { ingest }) => sum + ingest.counters.flows, 0);
  }

  get rejected(): number {
    return this.#shards.reduce((sum, { ingest }) => sum + ingest.counters.rejected, 0);
  }

  /** Saves the rest and lets go. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await Promise.all(this.#shards.map(({ keeper }) => keeper.close()));
    this.#link.close();
  }

  /** Cut off from the server in the middle of whatever it does, for good. */
  async cutOff(): Promise<void> {
    this.#link.close();
    this.#stop.abort();
    await this.#running;
  }
}

/** Everything that is stored in all shards, as one graph's text. */
export async function storedGraph(link: RedisLink, shards: Shards): Promise<TrafficGraph> {
  const graph = new TrafficGraph({ binMs: shardBinMs });
  for (let shard = 0; shard < shards.count; shard++) {
    const reading = await readEvidence({ link, name: shardName(shards, shard), keepUnused: true });
    if (reading === undefined) throw new Error(`shard ${shard} is still being saved`);
    for (const part of reading.evidence) graph.merge(part);
  }
  return graph;
}

/** What these flows make when one process counts all of them. */
export function countedOnce(cluster: Cluster, flows: readonly Flow[]): TrafficGraph {
  const graph = new TrafficGraph({ binMs: shardBinMs });
  const attributor = new FlowAttributor(cluster);
  for (const flow of flows) graph.observe(attributor.attribute(flow), flow.node);
  return graph;
}
