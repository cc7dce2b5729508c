import { FlowAttributor } from '../../controller/attribution/attribute-flow.ts';
import type { RedisLink } from '../../controller/adapters/redis/redis-link.ts';
import { openShard } from '../../controller/adapters/redis/shard-store.ts';
import { type Shards, shardName } from '../../controller/adapters/redis/shards.ts';
import { readEvidence } from '../../controller/adapters/redis/read-evidence.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import { AttributionNow } from '../../controller/attribution-now.ts';
import { EvidenceKeeper } from '../../controller/evidence-keeper.ts';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import { LiveIngest } from '../../controller/live-ingest.ts';
import type { Cluster } from '../../controller/model/cluster.ts';
import type { Flow } from '../../controller/model/flow.ts';
import { StaticView } from './static-view.ts';

export const workerBinMs = 300_000;

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
  readonly #keepers: readonly EvidenceKeeper[];
  readonly ingests: readonly LiveIngest[];

  private constructor(
    link: RedisLink,
    keepers: readonly EvidenceKeeper[],
    ingests: readonly LiveIngest[],
    run: (signal: AbortSignal) => Promise<unknown>,
  ) {
    this.#link = link;
    this.#keepers = keepers;
    this.ingests = ingests;
    this.#running = run(this.#stop.signal);
  }

  static async start({
    link,
    shards,
    cluster,
    flushMs = 20,
    leaseMs = 500,
    only,
  }: WorkerOptions): Promise<ShardWorker> {
    const keepers: EvidenceKeeper[] = [];
    const ingests: LiveIngest[] = [];
    const runs: ((signal: AbortSignal) => Promise<unknown>)[] = [];
    const view = new StaticView(cluster);
    const attribution = new AttributionNow(view, systemClock);
    const wanted = only ?? Array.from({ length: shards.count }, (_, i) => i);
    await Promise.all(
      wanted.map(async (shard) => {
        const held = await openShard({ link, shards, shard, who: 'a test', clock: systemClock, leaseMs });
        if (held === undefined) return;
        const { store, intake } = held;
        const graph = new TrafficGraph({ binMs: workerBinMs, saved: true, grown: true });
        const ingest = new LiveIngest({ view, graph, clock: systemClock, attribution, graceMs: 1 });
        const keeper = new EvidenceKeeper({ store, graph, ingest, clock: systemClock, flushMs });
        const positions = await keeper.load();
        if ('code' in positions) throw new Error(positions.message);
        intake.begin(positions);
        keepers.push(keeper);
        ingests.push(ingest);
        runs.push((signal) => Promise.all([ingest.run([intake], signal), keeper.run(signal)]));
      }),
    );
    return new ShardWorker(link, keepers, ingests, (signal) => Promise.all(runs.map((run) => run(signal))));
  }

  get shards(): number {
    return this.#keepers.length;
  }

  /** So many were counted. */
  get flows(): number {
    return this.ingests.reduce((sum, { counters }) => sum + counters.flows, 0);
  }

  /** Saves the rest and lets go. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await Promise.all(this.#keepers.map((keeper) => keeper.close()));
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
  const graph = new TrafficGraph({ binMs: workerBinMs });
  for (let shard = 0; shard < shards.count; shard++) {
    const reading = await readEvidence({ link, name: shardName(shards, shard), keepUnused: true });
    if (reading === undefined) throw new Error(`shard ${shard} is still being saved`);
    for (const part of reading.evidence) graph.merge(part);
  }
  return graph;
}

/** What these flows make when one process counts all of them. */
export function countedOnce(cluster: Cluster, flows: readonly Flow[]): TrafficGraph {
  const graph = new TrafficGraph({ binMs: workerBinMs });
  const attributor = new FlowAttributor(cluster);
  for (const flow of flows) graph.observe(attributor.attribute(flow), flow.node);
  return graph;
}
