import test, { type ExecutionContext } from 'ava';
import {
  type LayoutMigration,
  layoutMigration,
  layouts,
  readableLayouts,
} from '../../../controller/adapters/redis/layout-migrations.ts';
import { buckets, storeKeys } from '../../../controller/adapters/redis/redis-keys.ts';
import type { TrafficGraph } from '../../../controller/graph/traffic-graph.ts';
import { newGraph, refused } from '../../support/redis-evidence.ts';
import { RedisServer } from '../../support/redis-server.ts';
import { openStore } from '../../support/redis-store.ts';
import { redisMissingHere, redisTest } from '../../support/redis-test.ts';
import { peer, sighting, workload } from '../../support/sightings.ts';

let server: RedisServer;
if (redisMissingHere === undefined) {
  test.before(async () => {
    server = await RedisServer.start();
  });
  test.after.always(() => server?.stop());
}

/** A layout 0 that never was: endpoints have another key, and connections another separator. */
const oldEndpoints = (name: string) => storeKeys(name).endpoints.replace(/endpoints$/, 'peers');
const steps = (name: string): LayoutMigration['steps'] => {
  return (keys) => [
    [oldEndpoints(name), keys.endpoints],
    ...Array.from({ length: buckets }, (_, i) => [keys.connections(i)]),
  ];
};
const bringOver = `
redis.call('HINCRBY', KEYS[1], 'steps', 1)
if #KEYS == 3 then return redis.call('RENAME', KEYS[2], KEYS[3]) end
local rows = redis.call('HGETALL', KEYS[2])
for i = 1, #rows, 2 do
  redis.call('HDEL', KEYS[2], rows[i])
  redis.call('HSET', KEYS[2], (string.gsub(rows[i], ';', ',')), rows[i + 1])
end`;

function from0(name: string, lua = bringOver) {
  return { current: 1, migrations: [layoutMigration(1, lua, steps(name))] };
}

/** A store of layout 0, and the graph in it. */
async function oldStore(t: ExecutionContext, name: string): Promise<TrafficGraph> {
  const graph = newGraph();
  for (let port = 1; port <= 1500; port++) graph.observe(sighting({ port, server: peer(workload(`w${port % 7}`)) }));
  const store = await openStore(server.url, { name });
  await store.save(graph.takeChanges().delta, new Map([['a', '1']]));
  await store.close();
  const keys = storeKeys(name);
  for (let i = 0; i < buckets; i++) {
    const rows = await server.admin.hgetall(keys.connections(i));
    await server.admin.del(keys.connections(i));
    const former = Object.entries(rows).map(([field, value]) => [field.replaceAll(',', ';'), value]);
    if (former.length > 0) await server.admin.hset(keys.connections(i), ...former.flat());
  }
  await server.admin.rename(keys.endpoints, oldEndpoints(name));
  await server.admin.set(keys.layout, '0');
  t.is(await server.admin.exists(keys.endpoints), 0);
  return graph;
}

async function isWhole(t: ExecutionContext, name: string, graph: TrafficGraph): Promise<void> {
  const keys = storeKeys(name);
  t.is(await server.admin.get(keys.layout), '1');
  // each step was done once, and nothing of the way is left behind
  t.deepEqual(await server.admin.hmget(keys.meta, 'steps', 'migrated'), [`${buckets + 1}`, null]);
  const store = await openStore(server.url, { name });
  const restored = newGraph();
  const { evidence, positions } = await store.load();
  restored.restore(evidence, []);
  t.deepEqual(restored.snapshot(), graph.snapshot());
  t.deepEqual(positions, new Map([['a', '1']]));
  await store.close();
}

redisTest('evidence of an older layout is brought over when it is opened, and saved to at once', async (t) => {
  const graph = await oldStore(t, 'older');
  const store = await openStore(server.url, { name: 'older', layouts: from0('older') });
  graph.observe(sighting({ port: 2000 }));
  await store.save(graph.takeChanges().delta, new Map([['a', '1']]));
  await store.close();
  await isWhole(t, 'older', graph);
});

redisTest('a migration that was cut off is refused to others, and goes on where it stopped', async (t) => {
  const name = 'cut-off';
  const graph = await oldStore(t, name);
  const broken = `if string.find(KEYS[2], 'connections:100$') then error('cut off') end ${bringOver}`;
  await t.throwsAsync(openStore(server.url, { name, layouts: from0(name, broken) }), { message: /cut off/ });
  t.is(await server.admin.get(storeKeys(name).layout), '0>1');
  t.is(await server.admin.hget(storeKeys(name).meta, 'migrated'), '101');
  await server.admin.del(storeKeys(name).writer);
  await refused(t, openStore(server.url, { name }), 'EvidenceUnreadable', /layout 0>1/);
  await (await openStore(server.url, { name, layouts: from0(name) })).close();
  await isWhole(t, name, graph);
});

redisTest('who was asleep in the middle of a migration changes nothing after another took over', async (t) => {
  const name = 'asleep';
  const graph = await oldStore(t, name);
  const keys = storeKeys(name);
  // at this step another writer comes in between
  const other = `if string.find(KEYS[2], 'connections:3$') then
    redis.call('HSET', KEYS[1], 'writer', 'another')
    redis.call('SET', '${keys.writer}', 'another', 'PX', 60000)
  end ${bringOver}`;
  const asleep = openStore(server.url, { name, leaseMs: 300, layouts: from0(name, other) });
  await refused(t, asleep, 'EvidenceInUse', /each controller needs a name/);
  t.is(await server.admin.hget(keys.meta, 'migrated'), '5');
  await server.admin.del(keys.writer);
  await (await openStore(server.url, { name, layouts: from0(name) })).close();
  await isWhole(t, name, graph);
});

redisTest('a layout that cannot be brought over is refused and left as it is', async (t) => {
  const name = 'refused';
  await oldStore(t, name);
  const keys = storeKeys(name);
  const before = await server.admin.hgetall(keys.meta);
  await refused(t, openStore(server.url, { name }), 'EvidenceUnreadable', /layout 0.*cannot bring/);
  for (const newer of ['2', '1>2', '7']) {
    await server.admin.set(keys.layout, newer);
    await refused(t, openStore(server.url, { name, layouts: from0(name) }), 'EvidenceNewer', /knows layout 1$/);
  }
  t.deepEqual(await server.admin.hgetall(keys.meta), before);
  t.is(await server.admin.get(keys.layout), '7');
});

test('only layouts with a whole way to the current one can be read', (t) => {
  const to = (...numbers: number[]) => ({
    current: 5,
    migrations: numbers.map((one) => layoutMigration(one, '', () => [])),
  });
  t.deepEqual(readableLayouts(to(2, 4, 5)), ['5', '3', '3>4', '4', '4>5']);
  t.deepEqual(readableLayouts(to()), ['5']);
  t.is(readableLayouts(layouts)[0], `${layouts.current}`);
});
