import type { ShardIntake } from '../../controller/adapters/redis/shard-intake.ts';
import { openShard, type OpenShard } from '../../controller/adapters/redis/shard-store.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import { EvidenceKeeper } from '../../controller/intake/evidence-keeper.ts';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import { LiveIngest, type LiveIngestOptions } from '../../controller/intake/live-ingest.ts';
import { minuteMs } from './sightings.ts';

export const shardBinMs = 5 * minuteMs;

/** A shard, and what counts and keeps it; nothing runs yet. */
export interface CountedShard {
  readonly intake: ShardIntake;
  readonly graph: TrafficGraph;
  readonly ingest: LiveIngest;
  readonly keeper: EvidenceKeeper;
}

export interface CountShard
  extends Omit<OpenShard, 'clock'>,
    Pick<LiveIngestOptions, 'view' | 'attribution' | 'graceMs'> {
  readonly flushMs?: number;
}

/** Takes a shard that is free, with what is stored of it. Undefined: another has it. */
export async function countShard({
  flushMs,
  view,
  attribution,
  graceMs,
  ...open
}: CountShard): Promise<CountedShard | undefined> {
  const clock = systemClock;
  const held = await openShard({ ...open, clock });
  if (held === undefined) return undefined;
  const graph = new TrafficGraph({ binMs: shardBinMs, saved: true, grown: true });
  const counting = { ...(attribution && { attribution }), ...(graceMs !== undefined && { graceMs }) };
  const ingest = new LiveIngest({ view, graph, clock, ...counting });
  const pace = flushMs === undefined ? {} : { flushMs };
  const keeper = new EvidenceKeeper({ store: held.store, graph, ingest, clock, ...pace });
  const positions = await keeper.load();
  if ('code' in positions) throw new Error(positions.message);
  held.intake.begin(positions);
  return { intake: held.intake, graph, ingest, keeper };
}
