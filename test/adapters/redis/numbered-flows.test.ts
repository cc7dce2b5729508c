import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Redis } from 'ioredis';
import { FlowAppender } from '../../../controller/adapters/redis/flow-appender.ts';
import { openShards, shardKeys, shardName, type Shards } from '../../../controller/adapters/redis/shards.ts';
import { systemClock } from '../../../controller/adapters/system-clock.ts';
import { FlowAttributor } from '../../../controller/attribution/attribute-flow.ts';
import { encodeSnapshot } from '../../../controller/graph/snapshot.ts';
import { TrafficGraph } from '../../../controller/graph/traffic-graph.ts';
import { numberedCluster, numberedFlow } from '../../support/numbered-flows.ts';
import { type OwnedProcess, startOwned } from '../../support/owned-process.ts';
import { openLink } from '../../support/redis-link.ts';
import { RedisWithSentinels, untilTrue } from '../../support/redis-server.ts';
import { redisTest } from '../../support/redis-test.ts';
import { shardBinMs } from '../../support/counted-shard.ts';
import { storedGraph } from '../../support/shard-worker.ts';

/** All of it where everything is asked for; elsewhere what takes a few seconds. */
const flows = process.env['NANOSEG_TEST_REQUIRE'] === 'all' ? 1_000_000 : 150_000;
const batchFlows = 200;
const batches = flows / batchFlows;
const receivers = 2;
const producers = 20;
const workers = 3;
const forever = new AbortController().signal;

/** What one process makes of the flows of these numbers. */
function countedOffline(): TrafficGraph {
  const graph = new TrafficGraph({ binMs: shardBinMs });
  const attributor = new FlowAttributor(numberedCluster());
  for (let n = 0; n < flows; n++) {
    const flow = numberedFlow(n);
    graph.observe(attributor.attribute(flow), flow.node);
  }
  return graph;
}

const text = (graph: TrafficGraph) => [...encodeSnapshot(graph.snapshot())].join('');

/** By how much each is another, for a person. */
function difference(wanted: TrafficGraph, got: TrafficGraph): string {
  const counts = new Map([...wanted.connections()].map(({ id, evidence }) => [id, evidence.allowed]));
  const others = [...got.connections()].map(
    ({ id, evidence }) => [id, evidence.allowed - (counts.get(id) ?? 0)] as const,
  );
  const [more, less] = [others.filter(([, by]) => by > 0), others.filter(([, by]) => by < 0)];
  const sum = (some: typeof others) => some.reduce((total, [, by]) => total + by, 0);
  return `${wanted.size} connections, got ${got.size}; ${more.length} have ${sum(more)} too many, ${less.length} ${sum(less)} too few`;
}

/** Workers in processes of their own; who is killed is followed by another one. */
class Workers {
  readonly #start: (number: number) => OwnedProcess;
  readonly #running: OwnedProcess[];
  #started = workers;

  constructor(url: string, name: string, directory: string) {
    const program = fileURLToPath(new URL('../../support/shard-process.ts', import.meta.url));
    this.#start = (number) =>
      startOwned(process.execPath, [program, url, name], join(directory, `worker-${number}.log`));
    this.#running = Array.from({ length: workers }, (_, i) => this.#start(i));
  }

  async killOne(): Promise<void> {
    const i = Math.floor(Math.random() * workers);
    await this.#running[i]?.kill();
    this.#running[i] = this.#start(this.#started++);
  }

  async end(): Promise<void> {
    await Promise.all(this.#running.map((worker) => worker.kill()));
  }

  async log(): Promise<string> {
    const ended = this.#running.filter((worker) => worker.exited() !== undefined);
    return (await Promise.all(ended.map((worker) => worker.log()))).join('\n');
  }
}

async function waiting(redis: Redis, shards: Shards): Promise<number> {
  const lengths = Array.from({ length: shards.count }, (_, shard) =>
    redis.xlen(shardKeys(shardName(shards, shard)).intake),
  );
  return (await Promise.all(lengths)).reduce((sum, length) => sum + length, 0);
}

redisTest(
  `${flows.toLocaleString('en-US')} numbered flows are counted once, while workers and the master are killed and a replica that lags takes over`,
  async (t) => {
    t.timeout(240_000);
    const offline = countedOffline();
    const directory = await mkdtemp(join(tmpdir(), 'nanoseg-numbered-'));
    // a machine that is busy with other tests is no reason to fail over
    const settings = ['sentinel down-after-milliseconds kept 2000'];
    const group = await RedisWithSentinels.start({}, { settings });
    const link = await openLink(group.url);
    const shards = await openShards(link, 'numbered');
    const running = new Workers(group.url, shards.name, directory);
    const stop = new AbortController();
    const appenders = Array.from({ length: receivers }, () => new FlowAppender({ link, shards, clock: systemClock }));
    const looking = appenders.map((appender) => appender.run(stop.signal));
    t.teardown(async () => {
      stop.abort();
      await Promise.all(looking);
      await running.end();
      link.close();
      await group.stop();
      await rm(directory, { recursive: true });
    });

    let appended = 0;
    /** A producer sends one batch after the other, and repeats some, as one does that got no answer, to whichever receiver. */
    const produce = async (producer: number) => {
      for (let i = producer; i < batches; i += producers) {
        const all = Array.from({ length: batchFlows }, (_, j) => numberedFlow(i * batchFlows + j));
        const batch = { producer: `producer ${producer}`, number: i + 1, flows: all, losses: [] };
        for (let times = 0; times === 0 || Math.random() < 0.02; times++) {
          const receiver = appenders[(producer + times) % receivers] as FlowAppender;
          await receiver.append(batch, forever);
        }
        appended++;
      }
    };
    const producing = Promise.all(Array.from({ length: producers }, (_, producer) => produce(producer)));

    const reached = (share: number) =>
      untilTrue(async () => appended >= share * batches, `${share} of all batches are appended`, 100_000);
    for (const share of [0.1, 0.2, 0.3]) {
      await reached(share);
      await running.killOne();
    }
    await reached(0.4);
    const [master, replica] = group.servers;
    // what the master takes from now on never comes to its replica
    replica.pause();
    await master.cutOff('replica');
    await delay(150 + Math.random() * 150);
    await Promise.all([master.kill(), running.killOne()]);
    replica.resume();
    for (const share of [0.6, 0.8]) {
      await reached(share);
      await running.killOne();
    }
    await producing;
    await untilTrue(async () => (await waiting(replica.admin, shards)) === 0, 'everything was counted', 60_000);
    await running.end();

    t.true(appenders.reduce((sum, { health }) => sum + health.repeatedBatches, 0) > 0, 'the replica lacked something');
    t.is(
      appenders.reduce((sum, { health }) => sum + health.lostBatches, 0),
      0,
    );
    const graph = await storedGraph(link, shards);
    t.is(graph.observation().losses.length, 0, 'what was lost was appended again');
    t.true(text(graph) === text(offline), `${difference(offline, graph)}\n${await running.log()}`);
  },
);
