import type { RedisLink } from '../../controller/adapters/redis/redis-link.ts';
import { openShard } from '../../controller/adapters/redis/shard-store.ts';
import type { Shards } from '../../controller/adapters/redis/shards.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import { EvidenceKeeper } from '../../controller/evidence-keeper.ts';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import { LiveIngest } from '../../controller/live-ingest.ts';
import { killedCluster } from './killed-ingest.ts';
import { minuteMs } from './sightings.ts';
import { StaticView } from './static-view.ts';

export const workersBinMs = 5 * minuteMs;

/** Someone who has a shard, saves when the test says so, and sees what the test says. */
export interface HandWorker {
  readonly graph: TrafficGraph;
  readonly ingest: LiveIngest;
  readonly keeper: EvidenceKeeper;
}

/** Takes a shard that is free, with what is stored of it. */
export async function handWorker(link: RedisLink, shards: Shards, shard: number): Promise<HandWorker> {
  const held = await openShard({ link, shards, shard, who: `worker of ${shard}`, clock: systemClock });
  if (held === undefined) throw new Error(`shard ${shard} is not free`);
  const graph = new TrafficGraph({ binMs: workersBinMs, saved: true, grown: true });
  const ingest = new LiveIngest({ view: new StaticView(killedCluster), graph, clock: systemClock });
  const keeper = new EvidenceKeeper({ store: held.store, graph, ingest, clock: systemClock });
  const positions = await keeper.load();
  if ('code' in positions) throw new Error(positions.message);
  return { graph, ingest, keeper };
}
