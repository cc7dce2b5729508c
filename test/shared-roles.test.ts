import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { EvidenceFollower } from '../controller/adapters/redis/evidence-follower.ts';
import { systemClock } from '../controller/adapters/system-clock.ts';
import { minuteMs } from './support/sightings.ts';
import { linesOf, numbered, pushedFlow } from './support/push-world.ts';
import { openLink } from './support/redis-link.ts';
import { RedisServer, untilTrue } from './support/redis-server.ts';
import { redisTest } from './support/redis-test.ts';
import { SharedProcess, type SharedStart } from './support/shared-process.ts';
import { unnamedPeer } from '../controller/model/flow.ts';

const shop = fileURLToPath(new URL('../examples/shop', import.meta.url));
const name = 'roles';
const count = 4;
const perBatch = 20;

interface World {
  readonly server: RedisServer;
  readonly workspace: string;
  readonly start: (role: SharedStart['role'], name: string) => Promise<SharedProcess>;
}

async function world(t: ExecutionContext): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), 'nanoseg-roles-'));
  const workspace = join(directory, 'shop');
  for (const part of ['cluster', 'profiles']) await cp(join(shop, part), join(workspace, part), { recursive: true });
  const server = await RedisServer.start();
  const started: SharedProcess[] = [];
  t.teardown(async () => {
    for (const one of started) {
      if (!t.passed) t.log((await one.log()).slice(-3_000));
      await one.kill();
    }
    await server.stop();
    await rm(directory, { recursive: true });
  });
  const options = ['--redis-name', name, '--redis-shards', `${count}`];
  const start: World['start'] = async (role, process) => {
    const one = await SharedProcess.start({ role, name: process, directory, workspace, redis: server.url, options });
    started.push(one);
    return one;
  };
  return { server, workspace, start };
}

const storefront = { ...unnamedPeer, namespace: 'shop', workload: { kind: 'Deployment', name: 'storefront' } };
const cache = { ...unnamedPeer, namespace: 'data', workload: { kind: 'Deployment', name: 'cart-cache' } };

/** Connections to many places; without a port of the client each report of one counts. */
function batch(number: number): string {
  const timeMs = Date.now() - minuteMs;
  const outside = Array.from({ length: perBatch - 1 }, (_, i) => {
    const at = number * perBatch + i;
    return pushedFlow({
      client: storefront,
      server: { ...unnamedPeer, ip: `203.0.113.${at % 40}`, reserved: 'world' },
      timeMs,
      port: 8_000 + (at % 3),
    });
  });
  return linesOf(pushedFlow({ client: storefront, server: cache, timeMs, port: 6_379 }), ...outside);
}

/** Pushes to one of them until it is taken, the next one where one is gone, as an agent does. */
async function deliver(to: readonly SharedProcess[], producer: string, number: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const receiver = to[(number + tries) % to.length] as SharedProcess;
    const reply = await receiver.push(numbered(producer, number), batch(number));
    if (reply?.status === 200) return;
    await sleep(50);
  }
  throw new Error(`batch ${number} of ${producer} is not taken`);
}

async function counted(server: RedisServer): Promise<number> {
  const link = await openLink(server.url);
  try {
    const shards = { name, count };
    const follower = new EvidenceFollower({ link, shards, clock: systemClock, binMs: 5_000 });
    await follower.load(new AbortController().signal);
    const waiting = follower.shards.reduce((sum, shard) => sum + shard.waiting, 0);
    const connections = [...(follower.graph?.connections() ?? [])];
    return waiting > 0 ? -1 : connections.reduce((sum, { evidence }) => sum + evidence.allowed, 0);
  } finally {
    link.close();
  }
}

redisTest(
  'flows are pushed to any who take them; each is counted once, also when one of those who count is killed',
  async (t) => {
    const { server, start } = await world(t);
    const [first, second] = [await start('ingest', 'ingest-1'), await start('ingest', 'ingest-2')];
    const half = count / 2;
    const held = async (one: SharedProcess, many: number) => (await one.metric('nanoseg_shards_held')) === many;
    await untilTrue(async () => (await held(first, half)) && (await held(second, half)), 'each has its share', 60_000);

    const both = [first, second];
    for (let number = 1; number <= 20; number++) await deliver(both, 'a', number);
    // a second delivery, to whichever of them
    for (const one of both) await one.push(numbered('a', 20), batch(20));
    const killed = sleep(50).then(() => first.kill());
    for (let number = 1; number <= 40; number++) await deliver(both, 'b', number);
    await killed;
    await deliver(both, 'a', 21);
    await untilTrue(() => held(second, count), 'the shards of the dead are taken over', 20_000);
    await untilTrue(async () => (await counted(server)) >= 61 * perBatch, 'all of it is counted', 20_000);

    // somebody comes, and somebody leaves in good order
    const third = await start('ingest', 'ingest-3');
    await untilTrue(async () => (await held(second, half)) && (await held(third, half)), 'it has its share', 60_000);
    for (let number = 41; number <= 50; number++) await deliver([third], 'b', number);
    t.is(await second.end(), 'exit code 0');
    await untilTrue(() => held(third, count), 'what it had is taken over', 20_000);
    await untilTrue(async () => (await counted(server)) >= 71 * perBatch, 'the rest is counted', 20_000);
    t.is(await counted(server), 71 * perBatch);
  },
);

redisTest('one that slept for longer than its lease saves nothing over what others counted meanwhile', async (t) => {
  const { server, start } = await world(t);
  const [sleeper, other] = [await start('ingest', 'ingest-1'), await start('ingest', 'ingest-2')];
  const held = async (one: SharedProcess, many: number) => (await one.metric('nanoseg_shards_held')) === many;
  const half = async () => (await held(sleeper, count / 2)) && (await held(other, count / 2));
  await untilTrue(half, 'each has its share', 60_000);
  for (let round = 0; round < 3; round++) {
    // what it has read and not saved yet is in its memory, and in the streams
    for (let number = 1; number <= 5; number++) await deliver([sleeper], 'a', 10 * round + number);
    sleeper.pause();
    for (let number = 6; number <= 10; number++) await deliver([other], 'a', 10 * round + number);
    await untilTrue(() => held(other, count), 'the shards of the sleeper are taken over', 20_000);
    await untilTrue(async () => (await counted(server)) === 10 * (round + 1) * perBatch, 'all is counted', 20_000);
    sleeper.resume();
    await untilTrue(half, 'it has a share again', 20_000);
    t.is(await counted(server), 10 * (round + 1) * perBatch);
  }
  t.is(await sleeper.end(), 'exit code 0');
  t.is(await counted(server), 30 * perBatch);
});

redisTest('who decides follows what others count; when the leader is killed another goes on', async (t) => {
  const { workspace, start } = await world(t);
  const ingest = await start('ingest', 'ingest');
  const deciders = [await start('decide', 'decide-1'), await start('decide', 'decide-2')];
  const leads = async (one: SharedProcess) => (await one.metric('nanoseg_leader')) === 1;
  await untilTrue(async () => (await Promise.all(deciders.map(leads))).includes(true), 'one of them leads', 60_000);
  for (let number = 1; number <= 10; number++) await deliver([ingest], 'a', number);
  const sees = async (one: SharedProcess) => (await one.metric('nanoseg_graph_connections')) >= 100;
  const proposed = async () => {
    const folder = join(workspace, 'proposals/data');
    const files = (await readdir(folder).catch(() => [])).filter((file) => file.includes('cart-cache'));
    const text = (await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')))).join('\n');
    return text.includes('6379');
  };
  const leader = (await leads(deciders[0] as SharedProcess)) ? 0 : 1;
  const [leading, other] = [deciders[leader] as SharedProcess, deciders[1 - leader] as SharedProcess];
  await untilTrue(() => sees(leading), 'the leader sees what was pushed', 20_000);
  await untilTrue(proposed, 'it is in a proposal', 20_000);
  await leading.kill();
  await untilTrue(() => leads(other), 'the other leads', 20_000);
  await untilTrue(() => sees(other), 'and has seen the same', 20_000);
  t.is(await other.metric('nanoseg_shard_held\\{shard="0"\\}'), 1);
});
