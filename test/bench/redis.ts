import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { SqliteConnectionStore } from '../../controller/adapters/sqlite/sqlite-connection-store.ts';
import type { GraphDelta } from '../../controller/graph/graph-delta.ts';
import { encodeConnection } from '../../controller/graph/snapshot.ts';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import type { ConnectionStore } from '../../controller/ports.ts';
import { RedisServer } from '../support/redis-server.ts';
import { openStore } from '../support/redis-store.ts';
import { minuteMs, mondayMs, peer, sighting, workload } from '../support/sightings.ts';
import type { Bench, Figure } from './measure.ts';

const workloads = 1_000;
const connections = 100_000;
const many = 1_000_000;
const rounds = 3;
/** What a controller saves at once. */
const saved = 10_000;
const nothing: ReadonlyMap<string, string> = new Map();

/** Every connection is the only one of its port, seen three times. */
function grown(count: number): TrafficGraph {
  const graph = new TrafficGraph({ binMs: 5 * minuteMs });
  const peers = Array.from({ length: workloads }, (_, i) => peer(workload(`service-${i}`), i + 1));
  for (let i = 0; i < count; i++) {
    const [client, server] = [peers[i % workloads], peers[(i * 7 + 1) % workloads]];
    if (client === undefined || server === undefined) throw new Error('no such workload');
    const port = 1 + Math.floor(i / workloads);
    for (let n = 0; n < 3; n++) {
      graph.observe(
        sighting({ client, server, port, timeMs: mondayMs + n * 17 * minuteMs, clientPort: 40_000 + n }),
        'n1',
      );
    }
  }
  if (graph.size !== count) throw new Error(`made ${graph.size} connections instead of ${count}`);
  return graph;
}

async function perSecond(count: number, work: () => Promise<unknown>): Promise<number> {
  globalThis.gc?.();
  const start = performance.now();
  await work();
  return (count / (performance.now() - start)) * 1000;
}

/** In steps of what a controller saves at once. */
async function saveAll(store: ConnectionStore, delta: GraphDelta): Promise<void> {
  for (let i = 0; i < delta.connections.length; i += saved) {
    await store.save({ ...delta, connections: delta.connections.slice(i, i + saved) }, nothing);
  }
}

async function loadAll(store: ConnectionStore): Promise<TrafficGraph> {
  const graph = new TrafficGraph({ binMs: 5 * minuteMs });
  graph.restore((await store.load()).evidence, []);
  return graph;
}

/** The same texts as plain keys, a thousand at a time. */
async function bareSet(redis: Redis, rows: readonly string[]): Promise<void> {
  for (let i = 0; i < rows.length; i += 1_000) {
    const pipeline = redis.pipeline();
    for (const [j, row] of rows.slice(i, i + 1_000).entries()) pipeline.set(`c:${i + j}`, row);
    await pipeline.exec();
  }
}

async function bareGet(redis: Redis, count: number): Promise<void> {
  for (let i = 0; i < count; i += 1_000) {
    const pipeline = redis.pipeline();
    for (let j = i; j < Math.min(i + 1_000, count); j++) pipeline.get(`c:${j}`);
    await pipeline.exec();
  }
}

async function usedMemory(redis: Redis): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1]);
}

export const bench: Bench = {
  name: 'redis',
  title: `saving and loading ${connections.toLocaleString('en-US')} connections in Redis, ${saved.toLocaleString('en-US')} a save`,
  async run() {
    const delta = grown(connections).snapshot();
    const rows = delta.connections.map((row) => JSON.stringify(encodeConnection(row)));
    const figures = new Map<string, number[]>();
    const note = (what: string, value: number) => figures.set(what, [...(figures.get(what) ?? []), value]);
    const server = await RedisServer.start();
    const directory = await mkdtemp(join(tmpdir(), 'nanoseg-bench-'));
    try {
      for (let round = 0; round < rounds; round++) {
        await server.admin.flushall();
        note(bare.set, await perSecond(connections, () => bareSet(server.admin, rows)));
        note(bare.get, await perSecond(connections, () => bareGet(server.admin, connections)));
        await server.admin.flushall();
        const before = await usedMemory(server.admin);
        const store = await openStore(server.url);
        note(ours.save, await perSecond(connections, () => saveAll(store, delta)));
        note(ours.memory, ((await usedMemory(server.admin)) - before) / connections);
        note(ours.load, await perSecond(connections, () => loadAll(store)));
        note(ours.once, await perSecond(connections, () => store.save(delta, nothing)));
        await store.close();
        const sqlite = new SqliteConnectionStore(join(directory, `${round}.db`));
        note(file.save, await perSecond(connections, () => saveAll(sqlite, delta)));
        note(file.load, await perSecond(connections, () => loadAll(sqlite)));
        await sqlite.close();
      }
      await server.admin.flushall();
      const store = await openStore(server.url);
      await saveAll(store, grown(many).snapshot());
      note(ours.many, many / (await perSecond(many, () => loadAll(store))));
      await store.close();
    } finally {
      await server.stop();
      await rm(directory, { recursive: true });
    }
    const figure = (what: string, unit: string, scale: number, baseline?: string): Figure => ({
      what,
      values: (figures.get(what) ?? []).map((value) => value / scale),
      unit,
      baseline,
      bar: undefined,
    });
    const rate = (what: string, baseline?: string) => figure(what, 'k connections/s', 1000, baseline);
    return [
      rate(bare.set),
      rate(file.save),
      rate(ours.save, bare.set),
      rate(ours.once, bare.set),
      rate(bare.get),
      rate(file.load),
      rate(ours.load, bare.get),
      figure(ours.memory, 'bytes', 1),
      figure(ours.many, 's', 1),
    ];
  },
};

const bare = { set: 'bare pipelined SET of the same rows', get: 'bare pipelined GET of the same rows' };
const file = { save: 'saving in SQLite', load: 'loading from SQLite into a graph' };
const ours = {
  save: 'saving in Redis, save by save',
  once: 'saving in Redis, all in one step',
  load: 'loading from Redis into a graph',
  memory: 'memory of Redis for a connection',
  many: `loading ${many.toLocaleString('en-US')} connections from Redis`,
};
