import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { FlowAppender } from '../../../controller/adapters/redis/flow-appender.ts';
import { lookAtShard, noStore } from '../../../controller/adapters/redis/shard-look.ts';
import { openShards, shardKeys, shardName, type Shards } from '../../../controller/adapters/redis/shards.ts';
import type { RedisLink } from '../../../controller/adapters/redis/redis-link.ts';
import { systemClock } from '../../../controller/adapters/system-clock.ts';
import { encodeSnapshot } from '../../../controller/graph/snapshot.ts';
import type { TrafficGraph } from '../../../controller/graph/traffic-graph.ts';
import type { Flow } from '../../../controller/model/flow.ts';
import { buildCluster } from '../../support/build-cluster.ts';
import { flow } from '../../support/flows.ts';
import { eventually } from '../../support/recording-sink.ts';
import { openLink } from '../../support/redis-link.ts';
import { RedisServer } from '../../support/redis-server.ts';
import { redisMissingHere, redisTest } from '../../support/redis-test.ts';
import { mondayMs } from '../../support/sightings.ts';
import { countedOnce, ShardWorker, storedGraph } from '../../support/shard-worker.ts';

const pods = 20;
const cluster = buildCluster([
  { name: 'web', labels: { app: 'web' }, pods: [{ name: 'web-1', ips: ['10.244.0.1'] }] },
  {
    name: 'cart',
    labels: { app: 'cart' },
    pods: Array.from({ length: pods }, (_, i) => ({ name: `cart-${i}`, ips: [`10.244.1.${i + 1}`] })),
  },
]);
const count = 4;

let server: RedisServer;
if (redisMissingHere === undefined) {
  test.before(async () => {
    server = await RedisServer.start();
  });
  test.after.always(() => server.stop());
}

/** Numbered flows: each a connection of its own, to many pods, from two nodes. */
function flows(from: number, to: number): Flow[] {
  return Array.from({ length: to - from }, (_, i) => {
    const n = from + i;
    return flow({
      server: `10.244.1.${(n % pods) + 1}`,
      port: 1_000 + (n % 7),
      clientPort: 1_024 + (n % 60_000),
      timeMs: mondayMs + n * 1_000,
      node: `n${n % 2}`,
    });
  });
}

interface World {
  readonly link: RedisLink;
  readonly shards: Shards;
  readonly appender: FlowAppender;
  readonly worker: () => Promise<ShardWorker>;
  readonly drained: () => Promise<void>;
}

interface Wanted {
  /** @default that of all tests */
  readonly on?: RedisServer;
  readonly mostWaiting?: number;
  readonly keptBytes?: number;
}

async function open(t: ExecutionContext, { on = server, ...options }: Wanted = {}): Promise<World> {
  const link = await openLink(on.url);
  const shards = await openShards(link, `test-${randomUUID()}`, count);
  const appender = new FlowAppender({ link, shards, clock: systemClock, ...options });
  const stop = new AbortController();
  const running = appender.run(stop.signal);
  t.teardown(async () => {
    stop.abort();
    await running;
    link.close();
  });
  const worker = async () => ShardWorker.start({ link: await openLink(on.url), shards, cluster });
  const waiting = async () => {
    const keys = Array.from({ length: count }, (_, shard) => shardKeys(shardName(shards, shard)).intake);
    return (await Promise.all(keys.map((key) => on.admin.xlen(key)))).reduce((sum, one) => sum + one, 0);
  };
  const drained = () => eventually(async () => (await waiting()) === 0, 'everything was taken out of the streams');
  return { link, shards, appender, worker, drained };
}

async function ownServer(t: ExecutionContext): Promise<RedisServer> {
  const own = await RedisServer.start();
  t.teardown(() => own.stop());
  return own;
}

const forever = new AbortController().signal;
const text = (graph: TrafficGraph) => [...encodeSnapshot(graph.snapshot())].join('');

redisTest('what was appended in any batches is counted as one process would count it', async (t) => {
  const { link, shards, appender, worker, drained } = await open(t);
  const working = await worker();
  t.is(working.shards, count);
  const all = flows(0, 3_000);
  for (let i = 0; i < 30; i++) {
    await appender.append(
      { producer: `p${i % 3}`, number: i + 1, flows: all.slice(i * 100, i * 100 + 100), losses: [] },
      forever,
    );
  }
  await drained();
  await working.stop();
  t.is(text(await storedGraph(link, shards)), text(countedOnce(cluster, all)));
  t.is(appender.health.appendedFlows, 3_000);
  t.is(appender.health.failure, undefined);
});

redisTest('that a node was observed comes to one shard, and into the evidence of all', async (t) => {
  const { link, shards, appender, worker, drained } = await open(t);
  const working = await worker();
  const minute = (i: number, node: string) => {
    const fromMs = Date.UTC(2026, 0, 5) + i * 60_000;
    return { source: 'conntrack', node, fromMs, toMs: fromMs + 60_000 } as const;
  };
  for (let i = 0; i < 10; i++) {
    const observed = ['n1', 'n2', 'n3'].map((node) => minute(i, node));
    await appender.append({ producer: 'a', number: i + 1, flows: [], losses: [], observed }, forever);
  }
  await drained();
  await working.stop();
  const stored = await storedGraph(link, shards);
  t.is(stored.size, 0);
  t.deepEqual(
    stored.observation().flows.map(({ node, flows, runs }) => [node, flows, runs.map(({ bins }) => bins)]),
    ['n1', 'n2', 'n3'].map((node) => [node, 0, [2]]),
  );
});

redisTest('a batch that is appended twice, by whomever, before and after it was counted, counts once', async (t) => {
  const { link, shards, appender, worker, drained } = await open(t);
  const other = new FlowAppender({ link, shards, clock: systemClock });
  const batches = [1, 2, 3].map((number) => ({
    producer: 'a',
    number,
    // without a port of its own nothing but its number tells a connection from another
    flows: flows(number * 10, number * 10 + 10).map((one) => ({ ...one, clientPort: 0 })),
    losses: [],
  }));
  for (const batch of batches) await appender.append(batch, forever);
  for (const batch of batches) await other.append(batch, forever);
  const first = await worker();
  await drained();
  await appender.append(batches[1] as (typeof batches)[1], forever);
  await drained();
  await first.stop();
  const second = await worker();
  for (const batch of batches) await other.append(batch, forever);
  await drained();
  await second.stop();
  const all = batches.flatMap((batch) => batch.flows);
  t.is(text(await storedGraph(link, shards)), text(countedOnce(cluster, all)));
});

redisTest('both nodes report a connection, through two receivers, and it counts once', async (t) => {
  const { link, shards, appender, worker, drained } = await open(t);
  const other = new FlowAppender({ link, shards, clock: systemClock });
  const working = await worker();
  const one = flows(0, 200).map((each) => ({ ...each, node: 'n0' }));
  const two = one.map((each) => ({ ...each, node: 'n1' }));
  await Promise.all([
    appender.append({ producer: 'a', number: 1, flows: one, losses: [] }, forever),
    other.append({ producer: 'b', number: 1, flows: two, losses: [] }, forever),
  ]);
  await drained();
  await working.stop();
  const graph = await storedGraph(link, shards);
  const counted = [...graph.connections()].reduce((sum, { evidence }) => sum + evidence.allowed, 0);
  t.is(counted, 200);
});

redisTest('a worker that is cut off at any moment loses nothing, and nothing is counted twice', async (t) => {
  const { link, shards, appender, worker, drained } = await open(t);
  const all = flows(0, 6_000).map((one) => ({ ...one, clientPort: 0 }));
  let working = await worker();
  const appending = (async () => {
    for (let i = 0; i < 300; i++) {
      const some = all.slice(i * 20, i * 20 + 20);
      await appender.append({ producer: 'a', number: i + 1, flows: some, losses: [] }, forever);
    }
  })();
  for (let i = 0; i < 4; i++) {
    await delay(20 + Math.random() * 60);
    await working.cutOff();
    await eventually(async () => {
      working = await worker();
      if (working.shards === count) return true;
      await working.stop();
      return false;
    }, 'the shards were taken over');
  }
  await appending;
  await drained();
  await working.stop();
  t.is(text(await storedGraph(link, shards)), text(countedOnce(cluster, all)));
});

redisTest('a stream that nobody reads fills up, whoever appends waits, and nothing is lost', async (t) => {
  const { link, shards, appender, worker, drained } = await open(t, { mostWaiting: 10 });
  const all = flows(0, 2_000);
  let appended = 0;
  const appending = (async () => {
    for (let i = 0; i < 100; i++) {
      const some = all.slice(i * 20, i * 20 + 20);
      await appender.append({ producer: 'a', number: i + 1, flows: some, losses: [] }, forever);
      appended++;
    }
  })();
  await eventually(() => appender.health.failure?.code === 'IntakeFull', 'the stream is full');
  t.true(appended < 100);
  const aborted = AbortSignal.timeout(50);
  const late = { producer: 'b', number: 1, flows: all, losses: [] };
  await t.throwsAsync(appender.append(late, aborted), { name: 'TimeoutError' });
  const working = await worker();
  await appending;
  // what was given up may have come to some shards: the whole of it again is counted once
  await appender.append(late, forever);
  await drained();
  await working.stop();
  t.is(appender.health.failure, undefined);
  t.is(text(await storedGraph(link, shards)), text(countedOnce(cluster, [...all, ...all])));
});

redisTest('a server that is full takes nothing, and everything when it has room', async (t) => {
  const own = await ownServer(t);
  const { link, shards, appender, worker, drained } = await open(t, { on: own });
  const all = flows(0, 500);
  await appender.append({ producer: 'a', number: 1, flows: all.slice(0, 100), losses: [] }, forever);
  await own.admin.config('SET', 'maxmemory', '1mb');
  const appending = appender.append({ producer: 'a', number: 2, flows: all.slice(100), losses: [] }, forever);
  await eventually(() => appender.health.failure?.code === 'EvidenceUnwritable', 'the server is full');
  await own.admin.config('SET', 'maxmemory', '0');
  await appending;
  const working = await worker();
  await drained();
  await working.stop();
  t.is(text(await storedGraph(link, shards)), text(countedOnce(cluster, all)));
});

redisTest('batches share entries, and each that nobody can read is rejected alone', async (t) => {
  const { link, shards, appender, worker, drained } = await open(t);
  const all = flows(0, 2_000);
  const batches = Array.from({ length: 100 }, (_, i) => ({
    producer: `p "${i}"`,
    number: 1,
    flows: all.slice(i * 20, i * 20 + 20),
    losses: [],
  }));
  await Promise.all(batches.map((batch) => appender.append(batch, forever)));
  const looks = await Promise.all(
    Array.from({ length: count }, (_, shard) => lookAtShard(link, shardName(shards, shard), noStore)),
  );
  const entries = await Promise.all(
    Array.from({ length: count }, (_, shard) => server.admin.xlen(shardKeys(shardName(shards, shard)).intake)),
  );
  t.deepEqual(
    looks.map(({ waiting }) => waiting),
    Array.from({ length: count }, () => 100),
    'each batch has flows for each shard',
  );
  t.true(Math.max(...entries) < 20, entries.join());
  const { intake } = shardKeys(shardName(shards, 0));
  await server.admin.xadd(intake, '*', 'w', '102', 'n', '2', 'b', '"q" 1\n[of tomorrow]\n"q" x\n[]');
  const working = await worker();
  await drained();
  const { rejected } = working;
  await working.stop();
  t.is(rejected, 2);
  t.is((await storedGraph(link, shards)).size, countedOnce(cluster, all).size);
});

redisTest('an entry that nobody can read is rejected, said to be lost, and does not stop the others', async (t) => {
  const { link, shards, appender, worker, drained } = await open(t);
  await server.admin.xadd(shardKeys(shardName(shards, 0)).intake, '*', 'p', 'a', 'n', '1', 'x', 'of tomorrow');
  const all = flows(0, 100);
  await appender.append({ producer: 'a', number: 1, flows: all, losses: [] }, forever);
  const working = await worker();
  await drained();
  const { rejected } = working;
  await working.stop();
  t.is(rejected, 1);
  const graph = await storedGraph(link, shards);
  t.is(graph.size, countedOnce(cluster, all).size);
  t.deepEqual(
    graph.observation().losses.map(({ node, periods }) => [node, periods.map(({ uncounted }) => uncounted)]),
    [['', [1]]],
  );
});

redisTest('the number of shards stays what it was first', async (t) => {
  const { link, shards } = await open(t);
  t.deepEqual(await openShards(link, shards.name, 64), shards);
});

redisTest('what a server loses before it was counted is appended again', async (t) => {
  const own = await ownServer(t);
  const { link, shards, appender, worker, drained } = await open(t, { on: own });
  const all = flows(0, 1_000);
  for (let i = 0; i < 50; i++) {
    const some = all.slice(i * 20, i * 20 + 20);
    await appender.append({ producer: 'a', number: i + 1, flows: some, losses: [] }, forever);
  }
  // as after a restart without persistence
  await own.admin.flushall();
  const working = await worker();
  await eventually(() => working.flows === 1_000, 'everything was appended again');
  await drained();
  await working.stop();
  t.is(appender.health.lostBatches, 0);
  t.is(text(await storedGraph(link, shards)), text(countedOnce(cluster, all)));
});

redisTest('what a server loses, and nobody has any more, is said to be lost of every node', async (t) => {
  const own = await ownServer(t);
  const { link, shards, appender, worker, drained } = await open(t, { on: own, keptBytes: 5_000 });
  const all = flows(0, 1_000);
  for (let i = 0; i < 50; i++) {
    const some = all.slice(i * 20, i * 20 + 20);
    await appender.append({ producer: 'a', number: i + 1, flows: some, losses: [] }, forever);
  }
  await own.admin.flushall();
  const working = await worker();
  await eventually(() => appender.health.lostBatches > 0 && working.flows > 0, 'the rest was appended again');
  await drained();
  await working.stop();
  const graph = await storedGraph(link, shards);
  t.true(graph.size < countedOnce(cluster, all).size || working.flows < 1_000);
  const lost = graph.observation().losses;
  t.deepEqual([...new Set(lost.map(({ node }) => node))], ['']);
});

redisTest('of two workers each shard has one', async (t) => {
  const { worker } = await open(t);
  const first = await worker();
  const second = await worker();
  t.deepEqual([first.shards, second.shards], [count, 0]);
  await second.stop();
  await first.stop();
  const third = await worker();
  t.is(third.shards, count);
  await third.stop();
});
