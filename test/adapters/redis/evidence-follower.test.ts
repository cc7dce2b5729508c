import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import {
  EvidenceFollower,
  type EvidenceFollowerOptions,
} from '../../../controller/adapters/redis/evidence-follower.ts';
import { storeKeys } from '../../../controller/adapters/redis/redis-keys.ts';
import type { RedisLink } from '../../../controller/adapters/redis/redis-link.ts';
import { shardKeys, shardName, type Shards } from '../../../controller/adapters/redis/shards.ts';
import { systemClock } from '../../../controller/adapters/system-clock.ts';
import { encodeSnapshot } from '../../../controller/graph/snapshot.ts';
import { TrafficGraph } from '../../../controller/graph/traffic-graph.ts';
import type { Sighting } from '../../../controller/model/sighting.ts';
import { openLink } from '../../support/redis-link.ts';
import { RedisCluster, RedisServer, type RedisSettings, untilTrue } from '../../support/redis-server.ts';
import { redisMissingHere, redisTest } from '../../support/redis-test.ts';
import { type CountedShard, countShard, shardBinMs as binMs } from '../../support/counted-shard.ts';
import { killedCluster } from '../../support/killed-ingest.ts';
import { anySighting, sighting } from '../../support/sightings.ts';
import { StaticView } from '../../support/static-view.ts';

let server: RedisServer;
let cluster: RedisCluster;
if (redisMissingHere === undefined) {
  test.before(async () => {
    [server, cluster] = await Promise.all([RedisServer.start(), RedisCluster.start()]);
  });
  test.after.always(() => Promise.all([server?.stop(), cluster?.stop()]));
}

let names = 0;
const newShards = (count: number): Shards => ({ name: `followed-${++names}`, count });
const text = (graph: TrafficGraph) => [...encodeSnapshot(graph.snapshot())].join('');

/** Who has a shard, saves when the test says so, and sees what the test says. */
async function handWorker(link: RedisLink, shards: Shards, shard: number): Promise<CountedShard> {
  const view = new StaticView(killedCluster);
  const taken = await countShard({ link, shards, shard, who: `worker of ${shard}`, view });
  if (taken === undefined) throw new Error(`shard ${shard} is not free`);
  return taken;
}

function union(workers: readonly CountedShard[]): string {
  const graph = new TrafficGraph({ binMs });
  for (const worker of workers) graph.merge(worker.graph.snapshot());
  return text(graph);
}

/** Follows from now on, with what is there read. `run` begins to look; it ends with the test. */
async function following(
  t: ExecutionContext,
  link: RedisLink,
  shards: Shards,
  more: Partial<EvidenceFollowerOptions> = {},
) {
  const stop = new AbortController();
  const follower = new EvidenceFollower({
    link,
    shards,
    clock: systemClock,
    binMs,
    lookMs: 20,
    readPauseMs: 50,
    ...more,
  });
  await follower.load(stop.signal);
  let running: Promise<void> | undefined;
  const end = async () => {
    stop.abort();
    await running;
  };
  t.teardown(end);
  return { follower, run: () => (running = follower.run(stop.signal)), end };
}

async function untilFollowed(follower: EvidenceFollower, workers: readonly CountedShard[]): Promise<void> {
  const expected = union(workers);
  await untilTrue(
    async () => follower.graph !== undefined && text(follower.graph) === expected,
    'all was followed',
    5_000,
  );
}

async function linkTo(t: ExecutionContext, url: string): Promise<RedisLink> {
  const link = await openLink(url);
  t.teardown(() => link.close());
  return link;
}

async function started(t: ExecutionContext, settings: RedisSettings = {}) {
  const own = await RedisServer.start(settings);
  t.teardown(() => own.stop());
  return own;
}

/** What happens: a shard's worker sees something, saves, or another one takes the shard over; and then time passes, or not. */
const anyEvent = fc.record({
  shard: fc.nat({ max: 2 }),
  what: fc.oneof(
    { weight: 6, arbitrary: anySighting },
    { weight: 3, arbitrary: fc.constant('save' as const) },
    { weight: 1, arbitrary: fc.constant('take over' as const) },
  ),
  isPaused: fc.boolean(),
});

for (const [title, url] of [
  ['a server', () => server.url],
  ['a cluster', () => cluster.url],
] as const) {
  redisTest(
    `on ${title}: who follows has what all workers have saved and is told of it once, whoever works`,
    async (t) => {
      const link = await linkTo(t, url());
      await fc.assert(
        fc.asyncProperty(fc.array(anyEvent, { maxLength: 30 }), fc.nat({ max: 30 }), async (events, start) => {
          const shards = newShards(3);
          // a shard that nobody ever had is followed too
          const workers: CountedShard[] = [await handWorker(link, shards, 0), await handWorker(link, shards, 1)];
          const told: Sighting[] = [];
          let expected = 0;
          let waiting = [0, 0, 0];
          let followed: Awaited<ReturnType<typeof following>> | undefined;
          const begin = async () => {
            followed = await following(t, link, shards, { onSighting: (seen) => told.push(seen) });
            void followed.run();
          };
          const save = async (shard: number) => {
            await workers[shard]?.keeper.save();
            if (followed !== undefined) expected += waiting[shard] as number;
            waiting = waiting.with(shard, 0);
          };
          for (const [i, { shard, what, isPaused }] of events.entries()) {
            if (i === start) await begin();
            workers[shard] ??= await handWorker(link, shards, shard);
            const worker = workers[shard];
            if (what === 'save') await save(shard);
            else if (what === 'take over') {
              await save(shard);
              await worker.keeper.close();
              workers[shard] = await handWorker(link, shards, shard);
            } else {
              worker.graph.observe(what, 'n1');
              waiting = waiting.with(shard, (waiting[shard] as number) + what.connections);
            }
            if (isPaused) await systemClock.sleep(5, AbortSignal.timeout(1_000));
          }
          if (followed === undefined) await begin();
          for (const shard of workers.keys()) await save(shard);
          const { follower, end } = followed as unknown as Awaited<ReturnType<typeof following>>;
          await untilFollowed(follower, workers);
          t.is(follower.health.readings, 1);
          t.is(follower.health.failure, undefined);
          await untilTrue(
            async () => told.reduce((sum, { connections }) => sum + connections, 0) === expected,
            'all was told',
          );
          await end();
          for (const { keeper } of workers) await keeper.close();
        }),
        { numRuns: 15, endOnFailure: true, includeErrorInReport: true },
      );
    },
  );
}

redisTest('what a save added and is not there any more makes everything be read anew', async (t) => {
  const link = await linkTo(t, server.url);
  const shards = newShards(2);
  const workers = [await handWorker(link, shards, 0), await handWorker(link, shards, 1)] as const;
  for (const { graph, keeper } of workers) {
    graph.observe(sighting());
    await keeper.save();
  }
  const graphs: TrafficGraph[] = [];
  const { follower, run } = await following(t, link, shards, { onReplaced: (graph) => graphs.push(graph) });
  for (const clientPort of [50_000, 50_001]) {
    workers[0].graph.observe(sighting({ clientPort }));
    await workers[0].keeper.save();
  }
  await server.admin.del(storeKeys(shardName(shards, 0)).changes(2));
  workers[1].graph.observe(sighting({ port: 9090 }));
  await workers[1].keeper.save();
  void run();
  await untilFollowed(follower, workers);
  await untilTrue(async () => follower.health.readings === 2, 'it was read anew');
  t.is(follower.health.readAnew, 'shard 0: what save 2 added is not there any more');
  t.is(follower.health.parted, undefined);
  t.is(graphs.length, 2);
  t.is(graphs[1], follower.graph);
});

redisTest(
  'a server that has lost everything is followed again as soon as the worker has written everything',
  async (t) => {
    const own = await started(t);
    const link = await linkTo(t, own.url);
    const shards = newShards(2);
    const workers = [await handWorker(link, shards, 0), await handWorker(link, shards, 1)] as const;
    for (const { graph, keeper } of workers) {
      graph.observe(sighting());
      await keeper.save();
    }
    const { follower, run } = await following(t, link, shards);
    void run();
    await own.admin.flushall();
    for (const { graph, keeper } of workers) {
      graph.observe(sighting({ clientPort: 50_000 }));
      await keeper.save();
      t.is(keeper.health.failure?.code, 'EvidenceLost');
      await keeper.save();
    }
    await untilFollowed(follower, workers);
    workers[0].graph.observe(sighting({ clientPort: 50_001 }));
    await workers[0].keeper.save();
    await untilFollowed(follower, workers);
    t.true(follower.health.readings > 1);
  },
);

redisTest('a server that went back and came to the same save by another way is not followed blindly', async (t) => {
  const own = await started(t);
  const shards = newShards(1);
  const link = await linkTo(t, own.url);
  const first = await handWorker(link, shards, 0);
  first.graph.observe(sighting());
  await first.keeper.save();
  await own.admin.save();
  first.graph.observe(sighting({ port: 1 }));
  await first.keeper.save();
  const { follower, run } = await following(t, link, shards);
  t.is(follower.graph?.size, 2);
  // what the snapshot on the disk has is the first save, and that the worker is there
  await own.kill();
  await own.run();
  await own.admin.del(storeKeys(shardName(shards, 0)).writer);
  const second = await handWorker(link, shards, 0);
  for (const port of [2, 3]) {
    second.graph.observe(sighting({ port }));
    await second.keeper.save();
  }
  void run();
  await untilFollowed(follower, [second]);
  t.is(follower.health.readAnew, 'shard 0: it went back and came to save 3 by another way');
});

redisTest('a server that does not answer is told, and followed on when it does', async (t) => {
  const own = await started(t, { settings: ['appendonly yes', 'appendfsync always'] });
  const link = await linkTo(t, own.url);
  const shards = newShards(2);
  const worker = await handWorker(link, shards, 1);
  worker.graph.observe(sighting());
  await worker.keeper.save();
  const { follower, run } = await following(t, link, shards);
  void run();
  await own.kill();
  await untilTrue(async () => follower.health.failure?.code === 'EvidenceUnreachable', 'it is told');
  t.is(follower.graph?.size, 1, 'what was read stays');
  await own.run();
  worker.graph.observe(sighting({ port: 9090 }));
  await untilTrue(async () => {
    await worker.keeper.save();
    return worker.keeper.health.failure === undefined;
  }, 'it is saved');
  await untilFollowed(follower, [worker]);
  await untilTrue(async () => follower.health.failure === undefined, 'it works again');
  t.is(follower.health.readings, 1);
});

redisTest('evidence in time bins of another width is a problem for a person', async (t) => {
  const link = await linkTo(t, server.url);
  const shards = newShards(1);
  const worker = await handWorker(link, shards, 0);
  worker.graph.observe(sighting());
  await worker.keeper.save();
  const error = await t.throwsAsync(following(t, link, shards, { binMs: 2 * binMs }));
  t.regex(error?.message ?? '', /time bins of 300s, the profile asks for 600s/);
});

redisTest('who works on which shard, what waits there, and how full the servers are is known', async (t) => {
  const link = await linkTo(t, cluster.url);
  const shards = newShards(6);
  const worker = await handWorker(link, shards, 2);
  worker.ingest.restore({ held: [], observed: { apiServer: ['10.0.0.2', '10.0.0.1'], nodes: ['10.0.0.9'] } });
  const other = await handWorker(link, shards, 3);
  other.ingest.restore({ held: [], observed: { apiServer: ['10.0.0.1'], nodes: [] } });
  for (const { graph, keeper } of [worker, other]) {
    graph.observe(sighting());
    await keeper.save();
  }
  const client = cluster.ownerOf(
    Number(await cluster.nodes[0]?.admin.cluster('KEYSLOT', shardKeys(shardName(shards, 4)).intake)),
  );
  await client.admin.xadd(shardKeys(shardName(shards, 4)).intake, '*', 'p', 'x');
  const { follower } = await following(t, link, shards);
  t.deepEqual(
    follower.shards.map(({ shard, holder, waiting, revision }) => [shard, holder, waiting, revision]),
    [
      [0, undefined, 0, 0],
      [1, undefined, 0, 0],
      [2, 'worker of 2', 0, 1],
      [3, 'worker of 3', 0, 1],
      [4, undefined, 1, 0],
      [5, undefined, 0, 0],
    ],
  );
  t.deepEqual(follower.observed, { apiServer: ['10.0.0.1', '10.0.0.2'], nodes: ['10.0.0.9'] });
  t.is(follower.observed, follower.observed);
  const { memory } = follower.health;
  t.deepEqual(
    memory.flatMap(({ shards: on }) => on).sort((a, b) => a - b),
    [0, 1, 2, 3, 4, 5],
  );
  t.true(memory.every(({ usedBytes, mostBytes }) => usedBytes > 1_000 && mostBytes === undefined));
});
