import { rm } from 'node:fs/promises';
import type { ExecutionContext } from 'ava';
import { openRedisStore, type RedisStoreConfig } from '../../../controller/adapters/redis/open-redis-store.ts';
import { systemClock } from '../../../controller/adapters/system-clock.ts';
import { found, keeping, newGraph, opened, refused, seen, started } from '../../support/redis-evidence.ts';
import { RedisCluster, RedisServer, type RedisSettings, RedisWithSentinels } from '../../support/redis-server.ts';
import { redisTest } from '../../support/redis-test.ts';
import { TestAuthority, testFiles } from '../../support/test-certificates.ts';

/** As docs/redis.md says. */
const rights = ['~nanoseg:*', '+@read', '+@write', '+@connection', '+@scripting', '+info'];
const user = (...more: string[]) => ['reset', 'on', '>secret', ...rights, ...more];

/** What a server with certificates of that authority is started with. */
async function tlsSettings(authority: TestAuthority, names = ['127.0.0.1']): Promise<RedisSettings> {
  const { certificate, privateKey } = await authority.issue(names);
  const tls = { certificate, privateKey, authority: authority.certificate };
  // the test itself does not mind the name
  return { tls, access: { tls: { ca: authority.certificate, checkServerIdentity: () => undefined } } };
}

async function isKept(t: ExecutionContext, url: string, access: Parameters<typeof opened>[2]): Promise<void> {
  const store = await opened(t, url, access);
  const graph = newGraph();
  seen(graph, 1, 300);
  await store.save(graph.takeChanges().delta, new Map());
  await store.close();
  t.deepEqual((await found(url, access)).snapshot(), graph.snapshot());
}

redisTest(
  'a user needs the rights of docs/redis.md; one that is missing is named before anything is written',
  async (t) => {
    const server = await started(t, { settings: ['requirepass admin'], access: { password: 'admin' } });
    const acl = (...rules: string[]) =>
      server.admin.call('ACL', 'SETUSER', 'nanoseg', 'reset', 'on', '>secret', '~nanoseg:*', ...rules);
    await refused(t, opened(t, server.url), 'EvidenceNotPermitted', /NOAUTH/);
    await refused(t, opened(t, server.url, { password: 'wrong' }), 'EvidenceNotPermitted', /WRONGPASS/);
    await acl('+@all', '-append');
    const access = { user: 'nanoseg', password: 'secret' };
    const error = await refused(t, opened(t, server.url, access), 'EvidenceNotPermitted', /lacks a right/);
    t.false(error.retryable);
    t.notRegex(JSON.stringify([error.message, error.problem]), /secret/);
    t.deepEqual(await server.admin.keys('*'), []);
    await acl('+@read', '+@write', '+@connection', '+@scripting', '+info');
    const store = await opened(t, server.url, access);
    const graph = newGraph();
    seen(graph, 1, 20);
    await store.save(graph.takeChanges().delta, new Map());
    await store.close();
    t.deepEqual((await found(server.url, access)).snapshot(), graph.snapshot());
  },
);

redisTest('TLS trusts the given authority alone', async (t) => {
  const [authority, other] = await Promise.all([TestAuthority.create(), TestAuthority.create('another')]);
  const { certificate, privateKey } = await authority.issue(['127.0.0.1']);
  const tls = { certificate, privateKey, authority: authority.certificate };
  const server = await started(t, { tls, access: { tls: { ca: authority.certificate } } });
  const url = server.url.replace('redis:', 'rediss:');
  const store = await opened(t, url, { ca: authority.certificate });
  await store.save(newGraph().takeChanges().delta, new Map([['a', '1']]));
  t.deepEqual((await store.load()).positions, new Map([['a', '1']]));
  await store.close();
  await refused(t, opened(t, url, { ca: other.certificate }), 'EvidenceNotPermitted', /secured/);
  await refused(t, opened(t, url), 'EvidenceNotPermitted', /secured/);
});

redisTest('TLS and a user with a password, to a cluster and to all of its nodes', async (t) => {
  const [authority, other] = await Promise.all([TestAuthority.create(), TestAuthority.create('another')]);
  const cluster = await RedisCluster.start(await tlsSettings(authority));
  t.teardown(() => cluster.stop());
  for (const node of cluster.nodes) await node.admin.call('ACL', 'SETUSER', 'nanoseg', ...user('+cluster'));
  const access = { user: 'nanoseg', password: 'secret', ca: authority.certificate };
  t.regex(cluster.url, /^rediss\+cluster:/);
  await isKept(t, cluster.url, access);
  await refused(t, opened(t, cluster.url, { ...access, ca: other.certificate }), 'EvidenceNotPermitted', /secured/);
  await refused(t, opened(t, cluster.url, { ...access, password: 'x' }), 'EvidenceNotPermitted', /WRONGPASS/);
  // the right to ask where the slots are is missing
  for (const node of cluster.nodes) await node.admin.call('ACL', 'SETUSER', 'nanoseg', '-cluster');
  await refused(t, opened(t, cluster.url, access), 'EvidenceNotPermitted', /lacks a right: NOPERM.*cluster/);
});

redisTest('TLS, a user, and another password of the Sentinels', async (t) => {
  const [authority, other] = await Promise.all([TestAuthority.create(), TestAuthority.create('another')]);
  const settings = await tlsSettings(authority);
  const sentinel = {
    ...settings,
    access: { ...settings.access, password: 'watch' },
    settings: ['requirepass watch', 'sentinel sentinel-pass watch'],
  };
  const group = await RedisWithSentinels.start(settings, sentinel);
  t.teardown(() => group.stop());
  for (const server of group.servers) await server.admin.call('ACL', 'SETUSER', 'nanoseg', ...user());
  const access = { user: 'nanoseg', password: 'secret', sentinelPassword: 'watch', ca: authority.certificate };
  t.regex(group.url, /^rediss\+sentinel:/);
  await isKept(t, group.url, access);
  const wrong = (some: object, message: RegExp) =>
    refused(t, opened(t, group.url, { ...access, ...some }), 'EvidenceNotPermitted', message);
  await wrong({ ca: other.certificate }, /secured/);
  await wrong({ password: 'x' }, /WRONGPASS/);
  t.notRegex(
    (await wrong({ sentinelPassword: 'sesame' }, /a Sentinel does not accept the password/)).message,
    /sesame/,
  );
  const { sentinelPassword, ...without } = access;
  await refused(t, opened(t, group.url, without), 'EvidenceNotPermitted', /NANOSEG_REDIS_SENTINEL_PASSWORD.*NOAUTH/);
  t.is(sentinelPassword, 'watch');
  const elsewhere = group.url.replace(/kept$/, 'unknown');
  await refused(t, opened(t, elsewhere, access), 'EvidenceNotPermitted', /know no master of that name/);
});

redisTest('a certificate for another name is refused, whoever signed it', async (t) => {
  const authority = await TestAuthority.create();
  const settings = await tlsSettings(authority, ['redis.example', 'localhost']);
  const ca = authority.certificate;
  const server = await started(t, settings);
  const error = await refused(t, opened(t, server.url, { ca }), 'EvidenceNotPermitted', /secured.*127\.0\.0\.1/);
  t.false(error.retryable);
  await isKept(t, server.url.replace('127.0.0.1', 'localhost'), { ca });
});

redisTest(
  'a password and an authority that were changed are read again when the server refuses the former',
  async (t) => {
    const [first, second] = await Promise.all([TestAuthority.create(), TestAuthority.create('the next')]);
    const files = testFiles({ ca: first.certificate, password: 'old\n' });
    t.teardown(() => files.remove());
    let server = await RedisServer.start(await tlsSettings(first));
    t.teardown(() => server.stop());
    const change = (password: string) =>
      server.admin.call('ACL', 'SETUSER', 'nanoseg', 'reset', 'on', `>${password}`, ...rights);
    await change('old');
    const config: RedisStoreConfig = {
      url: server.url,
      user: 'nanoseg',
      passwordFile: files.paths.password,
      ca: files.paths.ca,
    };
    const store = await openRedisStore({ config, name: 'test', who: 'a test', clock: systemClock });
    t.teardown(() => store.close());
    const { graph, keeper } = keeping(store);
    await keeper.load();
    const save = async (from: number) => {
      seen(graph, from, from + 10);
      await keeper.save();
      return keeper.health.failure;
    };
    t.is(await save(1), undefined);

    await change('new');
    t.is(await save(20), undefined, 'a connection lives on');
    await server.cutOff();
    t.like(await save(40), { code: 'EvidenceNotPermitted' });
    files.write('password', 'new\n');
    t.is(await save(60), undefined);
    // the file comes first: nobody notices
    files.write('password', 'newer\n');
    await change('newer');
    await server.cutOff();
    t.is(await save(80), undefined);

    await rm(files.paths.password);
    await change('last');
    await server.cutOff();
    t.like(await save(100), { code: 'InputNotFound', where: files.paths.password });
    files.write('password', 'last');
    t.is(await save(120), undefined);

    const { port } = server;
    await server.stop();
    server = await RedisServer.startAt(port, await tlsSettings(second));
    await change('last');
    const failure = await save(140);
    t.is(failure?.code, 'EvidenceNotPermitted', failure?.message);
    files.write('ca', second.certificate);
    // it is another server, with nothing in it
    t.is((await save(160))?.code, 'EvidenceLost');
    t.is(await save(180), undefined);
  },
);
