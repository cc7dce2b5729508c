import { buckets } from '../../../controller/adapters/redis/redis-keys.ts';
import { ManualClock } from '../../reconcile/manual-clock.ts';
import { found, keeping, keys, newGraph, opened, refused, seen, started } from '../../support/redis-evidence.ts';
import { untilTrue } from '../../support/redis-server.ts';
import { redisTest } from '../../support/redis-test.ts';
import { dayMs, minuteMs, mondayMs, peer, sighting, workload } from '../../support/sightings.ts';

redisTest('a save of any size is one step, and what a crash left of another one is no part of it', async (t) => {
  const server = await started(t);
  const store = await opened(t, server.url);
  const graph = newGraph();
  seen(graph, 1, 20_000);
  await server.admin.rpush(keys.staged(0), 'HSET', '3', '2', 'x', 'y');
  await server.admin.rpush(keys.staged(1), 'HSET', '3', '2', 'x', 'y');
  await store.save(graph.takeChanges().delta, new Map([['a', '1']]));
  await store.close();
  t.deepEqual((await found(server.url)).snapshot(), graph.snapshot());
  t.deepEqual(await server.admin.keys(`${keys.staged(0).slice(0, -1).replaceAll(/[{}]/g, '?')}*`), []);
});

redisTest('a server that was emptied or restarted with less is noticed, and given everything again', async (t) => {
  const server = await started(t);
  const store = await opened(t, server.url);
  const { graph, keeper } = keeping(store);
  await keeper.load();
  seen(graph, 1, 50);
  await keeper.save();
  await server.admin.save();
  seen(graph, 50, 100);
  await keeper.save();
  t.is(keeper.health.failure, undefined);

  // what the snapshot on the disk has is less than what was saved
  await server.kill();
  await server.run();
  await untilTrue(async () => {
    await keeper.save();
    return keeper.health.failure?.code === 'EvidenceLost';
  }, 'the loss is told');
  await keeper.save();
  t.is(keeper.health.failure, undefined);

  await server.admin.flushall();
  seen(graph, 100, 110);
  await keeper.save();
  t.is(keeper.health.failure?.code, 'EvidenceLost');
  await keeper.save();
  t.is(keeper.health.failure, undefined);
  await keeper.close();
  const again = await found(server.url);
  t.deepEqual(again.snapshot(), graph.snapshot());
  // what was counted is known too: a second report of it counts nothing
  seen(again, 1, 110);
  t.deepEqual(again.snapshot().connections, graph.snapshot().connections);
});

redisTest(
  'a server that is full, a replica, or slow to load says so, and is written to as soon as it can be',
  async (t) => {
    const server = await started(t);
    const store = await opened(t, server.url);
    const graph = newGraph();
    seen(graph, 1, 200);
    const { delta } = graph.takeChanges();
    await server.admin.config('SET', 'maxmemory', '1');
    t.true((await refused(t, store.save(delta, new Map()), 'EvidenceUnwritable', /memory/)).retryable);
    await server.admin.config('SET', 'maxmemory', '0');
    await server.admin.replicaof('127.0.0.1', '1');
    t.true((await refused(t, store.save(delta, new Map()), 'EvidenceUnwritable', /replica/)).retryable);
    await server.admin.replicaof('NO', 'ONE');
    await server.admin.script('FLUSH');
    await store.save(delta, new Map());
    await store.close();

    await server.admin.save();
    await server.kill();
    await server.runSlowly();
    t.deepEqual((await found(server.url)).snapshot(), graph.snapshot());
  },
);

redisTest('a server that throws keys away when it is full is refused', async (t) => {
  const server = await started(t, { settings: ['maxmemory 100mb', 'maxmemory-policy allkeys-lru'] });
  t.false((await refused(t, opened(t, server.url), 'EvidenceUnwritable', /allkeys-lru/)).retryable);
});

redisTest('evidence that somebody removed a part of is refused, and a newer layout too', async (t) => {
  const server = await started(t);
  const store = await opened(t, server.url);
  const graph = newGraph();
  seen(graph, 1, 1000);
  await store.save(graph.takeChanges().delta, new Map());
  await server.admin.del(keys.connections(7));
  await refused(t, store.load(), 'EvidenceUnreadable', /removed/);
  await store.close();
  await server.admin.set(keys.layout, '2');
  t.false((await refused(t, opened(t, server.url), 'EvidenceNewer', /layout 2/)).retryable);
});

redisTest('of two controllers with one name only one writes, whichever was only asleep', async (t) => {
  const server = await started(t);
  const first = await opened(t, server.url, { who: 'the first', leaseMs: 600_000 });
  const graph = newGraph();
  seen(graph, 1, 10);
  const { delta } = graph.takeChanges();
  await first.save(delta, new Map([['a', '1']]));
  await refused(t, opened(t, server.url, { who: 'the second', leaseMs: 1500 }), 'EvidenceInUse', /the first/);

  // as if the first had been stopped for longer than its lease
  await server.admin.del(keys.writer);
  const second = await opened(t, server.url, { who: 'the second' });
  await second.save(delta, new Map([['a', '2']]));
  await refused(t, first.save(delta, new Map([['a', '3']])), 'EvidenceInUse', /another controller/);
  await first.close();
  t.deepEqual((await second.load()).positions, new Map([['a', '2']]));
  await second.save(delta, new Map());
  await second.close();
});

redisTest('a controller that was killed does not keep the next one waiting for longer than its lease', async (t) => {
  const server = await started(t);
  await server.admin.set(keys.writer, 'somebody', 'PX', 400);
  const store = await opened(t, server.url, { leaseMs: 500 });
  t.is((await store.load()).binMs, undefined);
  await store.close();
});

redisTest(
  'what was not seen for longer than the retention goes, a part at a time, and its endpoints with it',
  async (t) => {
    const server = await started(t);
    const clock = new ManualClock(mondayMs + 500 * dayMs);
    const options = { clock, retentionMs: 400 * dayMs };
    const store = await opened(t, server.url, options);
    const graph = newGraph();
    for (let port = 1; port <= 300; port++) {
      graph.observe(sighting({ port, server: peer(workload(`old-${port}`)) }));
      graph.observe(sighting({ port, timeMs: mondayMs + 450 * dayMs, server: peer(workload('young')) }));
    }
    await store.save(graph.takeChanges().delta, new Map());
    for (let i = 0; i < buckets; i++) {
      await clock.advance(minuteMs);
      await store.save(graph.takeChanges().delta, new Map());
    }
    await store.close();
    const next = await opened(t, server.url, options);
    const restored = newGraph();
    restored.restore((await next.load()).evidence, []);
    t.is(restored.size, 300);
    t.is(restored.endpointCount, 2);
    await next.save(restored.takeChanges().delta, new Map());
    t.is(await server.admin.hlen(keys.endpoints), 2);
    await next.close();
  },
);

redisTest('what cannot be reached is named, and may be reached later', async (t) => {
  for (const url of ['redis://127.0.0.1:1', 'redis+cluster://127.0.0.1:1', 'redis+sentinel://127.0.0.1:1/kept']) {
    const error = await refused(t, opened(t, url), 'EvidenceUnreachable', /reached/);
    t.true(error.retryable);
    t.is(error.problem.where, url);
  }
});
