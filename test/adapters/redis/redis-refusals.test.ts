import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { found, keeping, keys, newGraph, opened, refused, seen, started } from '../../support/redis-evidence.ts';
import { type RedisServer, untilTrue } from '../../support/redis-server.ts';
import { redisTest } from '../../support/redis-test.ts';
import { TestAuthority } from '../../support/test-certificates.ts';

redisTest(
  'a server that takes no writes for a while says why, keeps what it has, and gets all of it later',
  async (t) => {
    const server = await started(t, { settings: ['save 3600 1000000'] });
    const store = await opened(t, server.url);
    const graph = newGraph();
    seen(graph, 1, 100);
    await store.save(graph.takeChanges().delta, new Map([['a', '1']]));
    const kept = await server.admin.hgetall(keys.meta);
    seen(graph, 100, 200);
    const { delta } = graph.takeChanges();
    const fails = async (message: RegExp) => {
      const error = await refused(t, store.save(delta, new Map([['a', '2']])), 'EvidenceUnwritable', message);
      t.true(error.retryable);
      t.is(error.problem.where, server.url);
      // nothing of the save is there
      t.deepEqual(await server.admin.hgetall(keys.meta), kept);
    };

    // where the snapshot belongs there is something else
    await mkdir(join(server.directory, 'dump.rdb'));
    await server.admin.bgsave();
    const persistence = () => server.admin.info('persistence');
    await untilTrue(async () => (await persistence()).includes('rdb_last_bgsave_status:err'), 'the snapshot failed');
    await fails(/disk.*stop-writes-on-bgsave-error/);
    await server.admin.config('SET', 'stop-writes-on-bgsave-error', 'no');

    await server.admin.config('SET', 'min-replicas-to-write', '1');
    await fails(/fewer replicas.*min-replicas-to-write/);
    await server.admin.config('SET', 'min-replicas-to-write', '0');

    await server.admin.config('SET', 'maxmemory', '1');
    await fails(/maxmemory/);
    await server.admin.config('SET', 'maxmemory', '0');

    await store.save(delta, new Map([['a', '2']]));
    await store.close();
    t.deepEqual((await found(server.url)).snapshot(), graph.snapshot());
  },
);

redisTest('a server that is busy with the script of somebody is waited for', async (t) => {
  const server = await started(t, { settings: ['busy-reply-threshold 20'] });
  const store = await opened(t, server.url);
  const { graph, keeper } = keeping(store);
  await keeper.load();
  const somebody = new Redis(server.port, { lazyConnect: true });
  t.teardown(() => somebody.disconnect());
  const endless = t.throwsAsync(somebody.eval('while true do end', 0), { message: /killed/i });
  await untilTrue(async () => isBusy(server), 'the script runs');
  seen(graph, 1, 50);
  await keeper.save();
  t.like(keeper.health.failure, {
    code: 'EvidenceUnreachable',
    message: 'the server is busy with the script of somebody',
  });
  await server.admin.script('KILL');
  await endless;
  await keeper.save();
  t.is(keeper.health.failure, undefined);
  await keeper.close();
  t.deepEqual((await found(server.url)).snapshot(), graph.snapshot());
});

async function isBusy({ admin }: RedisServer): Promise<boolean> {
  return admin.ping().then(
    () => false,
    (error: Error) => error.message.startsWith('BUSY'),
  );
}

redisTest('a server that hangs has a time to answer, and is asked over a new connection after it', async (t) => {
  const server = await started(t);
  const store = await opened(t, server.url, { answerMs: 300 });
  const { graph, keeper } = keeping(store);
  await keeper.load();
  seen(graph, 1, 50);
  await keeper.save();
  server.pause();
  seen(graph, 50, 100);
  for (let i = 0; i < 3; i++) {
    await keeper.save();
    t.is(keeper.health.failure?.code, 'EvidenceUnreachable');
    t.regex(keeper.health.failure?.message ?? '', /did not answer within 0\.3s/);
    t.is(keeper.health.failure?.where, server.url);
  }
  server.resume();
  await untilTrue(async () => {
    await keeper.save();
    // what was sent to it before and is only done now is no other save
    t.not(keeper.health.failure?.code, 'EvidenceLost');
    return keeper.health.failure === undefined;
  }, 'it is saved again');
  await keeper.close();
  t.deepEqual((await found(server.url)).snapshot(), graph.snapshot());
});

redisTest('connections that are cut, and scripts that are forgotten, at any moment, cost nothing', async (t) => {
  const server = await started(t);
  const store = await opened(t, server.url);
  const { graph, keeper } = keeping(store);
  await keeper.load();
  for (let i = 0; i < 20; i++) {
    seen(graph, i * 300 + 1, i * 300 + 301);
    const saving = keeper.save();
    if (i % 3 === 0) await server.admin.script('FLUSH');
    await server.cutOff();
    await saving;
    t.is(keeper.health.failure, undefined);
  }
  await keeper.close();
  t.deepEqual((await found(server.url)).snapshot(), graph.snapshot());
});

redisTest('a server that takes no more connections says so, and lets us in when it does', async (t) => {
  const server = await started(t);
  await server.admin.config('SET', 'maxclients', '1');
  t.true((await refused(t, opened(t, server.url), 'EvidenceUnreachable', /connections.*maxclients/)).retryable);
  await server.admin.config('SET', 'maxclients', '100');
  const store = await opened(t, server.url);
  t.is(store.saves, 0);
});

redisTest('a server that wants TLS and is not asked with it is said to hang up', async (t) => {
  const { certificate, privateKey } = await (await TestAuthority.create()).issue(['127.0.0.1']);
  const tls = { certificate, privateKey, authority: certificate };
  const server = await started(t, { tls, access: { tls: { rejectUnauthorized: false } } });
  await refused(t, opened(t, server.url.replace('rediss:', 'redis:')), 'EvidenceUnreachable', /hangs up.*want TLS/);
});

redisTest('a URL that leads elsewhere than it says is refused', async (t) => {
  const server = await started(t);
  const node = await started(t, { settings: ['cluster-enabled yes'] });
  await node.admin.call('CLUSTER', 'ADDSLOTSRANGE', 0, 10);
  for (const [url, message] of [
    [`${server.url}/99`, /database of the URL.*out of range/],
    [server.url.replace('redis:', 'redis+cluster:'), /cluster support disabled/],
    [`${server.url.replace('redis:', 'redis+sentinel:')}/kept`, /unknown command.*sentinel/i],
    [`${node.url}/1`, /database of the URL/],
  ] as const) {
    const error = await refused(t, opened(t, url), 'EvidenceNotPermitted', message);
    t.false(error.retryable);
    t.is(error.problem.where, url);
  }
});
