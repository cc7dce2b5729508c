import type { ExecutionContext } from 'ava';
import type { RedisConnectionStore } from '../../../controller/adapters/redis/redis-connection-store.ts';
import { RedisStoreError } from '../../../controller/adapters/redis/redis-store-error.ts';
import { found, keeping, keys, opened, seen } from '../../support/redis-evidence.ts';
import { RedisCluster, type RedisServer, RedisWithSentinels, untilTrue } from '../../support/redis-server.ts';
import { openStore } from '../../support/redis-store.ts';
import { redisTest } from '../../support/redis-test.ts';
import { minuteMs } from '../../support/sightings.ts';

const answerMs = 1_000;

/** A controller that goes on: what it tells, in the order of its saves, until one of them succeeds. */
async function running(t: ExecutionContext, store: RedisConnectionStore) {
  const { graph, keeper } = keeping(store);
  await keeper.load();
  let next = 1;
  const save = async () => {
    seen(graph, next, next + 50);
    next += 50;
    await keeper.save();
    return keeper.health.failure?.code;
  };
  return {
    graph,
    save,
    untilSaved: async (what: string) => {
      const told = new Set<string>();
      await untilTrue(async () => {
        const code = await save();
        if (code !== undefined) told.add(code);
        return code === undefined;
      }, what);
      return [...told];
    },
    isKeptAt: async (url: string) => {
      await keeper.close();
      // a Sentinel that has not heard yet names the former master
      await untilTrue(
        async () => (await openStore(url).catch(passing))?.close().then(() => true) ?? false,
        'it is there',
      );
      t.deepEqual((await found(url)).snapshot(), graph.snapshot());
    },
  };
}

function passing(error: unknown): undefined {
  if (!(error instanceof RedisStoreError) || !error.retryable) throw error;
}

redisTest('a replica that Sentinels choose goes on for a master that hangs', async (t) => {
  const group = await RedisWithSentinels.start();
  t.teardown(() => group.stop());
  const { save, untilSaved, isKeptAt } = await running(t, await opened(t, group.url, { answerMs }));
  t.is(await save(), undefined);
  const [master, replica] = group.servers;
  // its connections stay open: only that it does not answer tells
  master.pause();
  t.false((await untilSaved('the replica takes over')).includes('EvidenceNotPermitted'));
  t.regex(await replica.admin.info('replication'), /role:master/);
  await isKeptAt(group.url);
});

redisTest('what a replica had not got when its master died is noticed, and written there again', async (t) => {
  const group = await RedisWithSentinels.start();
  t.teardown(() => group.stop());
  const { save, untilSaved, isKeptAt } = await running(t, await opened(t, group.url, { answerMs }));
  t.is(await save(), undefined);
  const [master, replica] = group.servers;
  await master.admin.call('WAIT', 1, 5_000);
  // what is saved now does not get to the replica
  replica.pause();
  await master.cutOff('replica');
  t.is(await save(), undefined);
  await master.kill();
  replica.resume();
  t.true((await untilSaved('the replica takes over')).includes('EvidenceLost'));
  await isKeptAt(group.url);
});

redisTest('a replica in a cluster goes on, when it is told to and when the master dies', async (t) => {
  const cluster = await RedisCluster.start();
  t.teardown(() => cluster.stop());
  const [any] = cluster.nodes as [RedisServer];
  const master = cluster.ownerOf(Number(await any.admin.cluster('KEYSLOT', keys.meta)));
  const replica = await cluster.addReplica(master);
  const isMaster = async (node: RedisServer) => (await node.admin.info('replication')).includes('role:master');
  const { save, untilSaved, isKeptAt } = await running(t, await opened(t, cluster.url, { answerMs }));
  t.is(await save(), undefined);

  // told to, it waits for all that the master has
  await replica.admin.call('CLUSTER', 'FAILOVER');
  await untilTrue(() => isMaster(replica), 'the replica is the master');
  t.false((await untilSaved('it is saved there')).includes('EvidenceLost'));
  await untilTrue(async () => (await master.admin.info('replication')).includes('master_link_status:up'), 'it follows');

  await replica.admin.call('WAIT', 1, 5_000);
  await replica.kill();
  t.false((await untilSaved('the former master takes over again')).includes('EvidenceNotPermitted'));
  t.true(await isMaster(master));
  await isKeptAt(cluster.url);
});

redisTest(
  'while evidence moves between the nodes of a cluster, saves wait, and nothing is taken for lost',
  async (t) => {
    const cluster = await RedisCluster.start();
    t.teardown(() => cluster.stop());
    const store = await opened(t, cluster.url, { answerMs: 5_000 });
    const { save, isKeptAt } = await running(t, store);
    t.is(await save(), undefined);
    const [any] = cluster.nodes as [RedisServer];
    const slot = Number(await any.admin.cluster('KEYSLOT', keys.meta));
    const source = cluster.ownerOf(slot);
    const target = cluster.nodes.find((node) => node !== source) as RedisServer;
    const [from, to] = [String(await source.admin.cluster('MYID')), String(await target.admin.cluster('MYID'))];
    await target.admin.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from);
    await source.admin.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to);
    const move = (some: readonly string[]) =>
      source.admin.call('MIGRATE', '127.0.0.1', target.port, '', 0, 5000, 'KEYS', ...some);
    const left = async () => (await source.admin.call('CLUSTER', 'GETKEYSINSLOT', slot, 1000)) as string[];
    for (const some of [[keys.meta], [keys.writer], (await left()).slice(0, 30)]) {
      await move(some);
      // a script of several keys has to wait until all of them are in one place
      t.is(await save(), 'EvidenceUnreachable');
      // one of a single key is asked for where it is by now
      t.is((await store.load()).binMs, 5 * minuteMs);
    }
    await move(await left());
    for (const node of cluster.nodes) await node.admin.call('CLUSTER', 'SETSLOT', slot, 'NODE', to);
    t.is(await save(), undefined);
    await isKeptAt(cluster.url);
  },
);
