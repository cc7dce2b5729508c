import type { ExecutionContext } from 'ava';
import type { RedisLink } from '../../../controller/adapters/redis/redis-link.ts';
import { SourceOutbox } from '../../../controller/adapters/redis/source-outbox.ts';
import { flow } from '../../support/flows.ts';
import { openLink } from '../../support/redis-link.ts';
import { RedisServer } from '../../support/redis-server.ts';
import { redisTest } from '../../support/redis-test.ts';

const shards = { name: 'outbox', count: 4 };
const part = (port: number) => ({ flows: [flow({ port })], losses: [] });

interface World {
  readonly server: RedisServer;
  readonly link: RedisLink;
  readonly claim: (who: string, source?: string) => Promise<SourceOutbox | undefined>;
  /** As when the lease of whoever holds it ends. */
  readonly expire: () => Promise<unknown>;
}

async function world(t: ExecutionContext): Promise<World> {
  const server = await RedisServer.start();
  const link = await openLink(server.url);
  t.teardown(async () => {
    link.close();
    await server.stop();
  });
  const claim: World['claim'] = (who, source = 'Hubble at relay:80') =>
    SourceOutbox.claim({ link, shards, source, who, leaseMs: 10_000 });
  const expire = async () => server.admin.del(...(await server.admin.keys('nanoseg:{outbox/source/*}:holder')));
  return { server, link, claim, expire };
}

redisTest(
  'a source is read by one at a time, and whoever takes it over gets its last batch and its position',
  async (t) => {
    const { claim, expire } = await world(t);
    const a = (await claim('a')) as SourceOutbox;
    t.deepEqual([a.left, a.position], [undefined, undefined]);
    t.is(await claim('b'), undefined);
    t.not(await claim('b', 'Goldmane at other:80'), undefined);
    const first = await a.put(part(1), 'p1');
    const second = await a.put(part(2), undefined);
    t.deepEqual([first?.number, second?.number, a.position], [1, 2, 'p1']);
    t.is(first?.producer, second?.producer);
    await expire();
    const b = (await claim('b')) as SourceOutbox;
    t.deepEqual(b.left, second);
    t.is(b.position, 'p1');
    const third = await b.put(part(3), 'p3');
    t.not(third?.producer, second?.producer);
  },
);

redisTest('one that was asleep while another took over puts nothing down and reads no more', async (t) => {
  const { claim, expire } = await world(t);
  const a = (await claim('a')) as SourceOutbox;
  await a.put(part(1), 'p1');
  await expire();
  const b = (await claim('b')) as SourceOutbox;
  t.is(await a.put(part(2), 'p2'), undefined);
  t.false(await a.renew());
  t.not(await b.put(part(3), 'p3'), undefined);
  // also when the other has ended meanwhile: what it put down must not be undone
  await b.release();
  t.is(await a.put(part(4), 'p4'), undefined);
  const c = (await claim('c')) as SourceOutbox;
  t.is(c.position, 'p3');
});

redisTest('a server that has forgotten who reads it, or the last batches, does not stop whoever does', async (t) => {
  const { server, claim, expire } = await world(t);
  const a = (await claim('a')) as SourceOutbox;
  await a.put(part(1), 'p1');
  await expire();
  const b = (await claim('b')) as SourceOutbox;
  const [key = ''] = await server.admin.keys('*outbox');
  const before = await server.admin.hgetall(key);
  await b.put(part(2), 'p2');
  // the replica that takes over had not heard of the claim, nor of the batch
  await server.admin.hset(key, { ...before, writer: 'somebody before' });
  t.is((await b.put(part(3), 'p3'))?.number, 2);
  await server.admin.flushall();
  t.true(await b.renew());
  t.is((await b.put(part(4), 'p4'))?.number, 3);
  await expire();
  t.is(((await claim('c')) as SourceOutbox).position, 'p4');
});
