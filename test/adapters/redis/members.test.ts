import { setTimeout as delay } from 'node:timers/promises';
import { type MemberReport, Members } from '../../../controller/adapters/redis/members.ts';
import { openLink } from '../../support/redis-link.ts';
import { RedisServer } from '../../support/redis-server.ts';
import { redisTest } from '../../support/redis-test.ts';

const shards = { name: 'members', count: 4 };

function report(who: string, more: Partial<MemberReport> = {}): MemberReport {
  return { role: 'ingest', who, startedMs: 1, shards: [], sources: [], counters: null, problems: [], ...more };
}

redisTest('members hear of each other, of who leaves at once, and of who is killed after a while', async (t) => {
  const server = await RedisServer.start();
  const link = await openLink(server.url);
  t.teardown(async () => {
    link.close();
    await server.stop();
  });
  const [a, b, c] = ['a', 'b', 'c'].map((id) => new Members(link, shards, id, 9_000)) as [Members, Members, Members];
  await a.beat(report('a', { shards: [1, 3] }));
  await b.beat(report('b', { role: 'decide' }));
  t.deepEqual([...(await c.beat(report('c'))).keys()], ['a', 'b', 'c']);
  t.deepEqual(c.live.get('a'), report('a', { shards: [1, 3] }));
  await b.leave();
  t.deepEqual([...(await c.beat(report('c'))).keys()], ['a', 'c']);
  // what has expired is gone: a's report is not said again
  await server.admin.pexpire('nanoseg:{members}:member:a', 1);
  await delay(10);
  t.deepEqual([...(await c.beat(report('c'))).keys()], ['c']);
  t.deepEqual(await server.admin.smembers('nanoseg:{members}:members'), ['c']);
  const left = await server.admin.pttl('nanoseg:{members}:member:c');
  t.true(left > 0 && left <= 9_000);
});

redisTest('a member of another version is understood as far as it can be', async (t) => {
  const server = await RedisServer.start();
  const link = await openLink(server.url);
  t.teardown(async () => {
    link.close();
    await server.stop();
  });
  const put = async (id: string, said: object) => {
    await server.admin.sadd('nanoseg:{members}:members', id);
    await server.admin.set(`nanoseg:{members}:member:${id}`, JSON.stringify(said));
  };
  await put('newer', { role: 'ingest', who: 'newer', startedMs: 2, shards: 'all', sources: [{ more: 1 }], speed: 9 });
  await put('other', { role: 'archive', who: 'other' });
  const live = await new Members(link, shards, 'a', 9_000).beat(report('a'));
  t.deepEqual(live.get('newer'), report('newer', { startedMs: 2 }));
  t.deepEqual([...live.keys()], ['a', 'newer']);
});
