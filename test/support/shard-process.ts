import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { Members } from '../../controller/adapters/redis/members.ts';
import type { RedisLink } from '../../controller/adapters/redis/redis-link.ts';
import { openShard } from '../../controller/adapters/redis/shard-store.ts';
import { openShards } from '../../controller/adapters/redis/shards.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import { ShardWork } from '../../controller/intake/shard-work.ts';
import { numberedCluster } from './numbered-flows.ts';
import { openLink } from './redis-link.ts';
import { StaticView } from './static-view.ts';

/** Who is started while a replica takes over waits until it has. */
async function patientLink(url: string): Promise<RedisLink> {
  for (;;) {
    try {
      return await openLink(url);
    } catch {
      await systemClock.sleep(200, new AbortController().signal);
    }
  }
}

/** Works on its share of the shards until it is killed, or told to end, with short leases. */
async function main(url: string, name: string): Promise<void> {
  const link = await patientLink(url);
  const shards = await openShards(link, name);
  const id = randomUUID();
  const members = new Members(link, shards, id);
  const stop = new AbortController();
  process.on('SIGTERM', () => stop.abort());
  const others = () => {
    const live = [...members.live].filter(([other, { role }]) => other !== id && role === 'ingest');
    return { count: live.length, shards: new Set(live.flatMap(([, of]) => of.shards)) };
  };
  const work = new ShardWork({
    count: shards.count,
    open: (shard) => openShard({ link, shards, shard, who: id, clock: systemClock, leaseMs: 1_500 }),
    others,
    view: new StaticView(numberedCluster()),
    flushMs: 200,
    clock: systemClock,
    random: Math.random,
    log: pino({ level: 'silent' }),
  });
  const startedMs = systemClock.now();
  const beat = async () => {
    const report = { role: 'ingest' as const, who: id, startedMs, sources: [], counters: null, problems: [] };
    await members.beat({ ...report, shards: [...work.shards] }).catch(() => undefined);
  };
  await beat();
  const beating = (async () => {
    while (!stop.signal.aborted) {
      await systemClock.sleep(300, stop.signal).catch(() => undefined);
      await beat();
    }
  })();
  await work.run(stop.signal);
  await beating;
  link.close();
}

const [url = '', name = ''] = process.argv.slice(2);
await main(url, name);
