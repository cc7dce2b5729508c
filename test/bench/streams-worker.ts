import { Redis } from 'ioredis';
import { openShards, shardKeys, shardName } from '../../controller/adapters/redis/shards.ts';
import type { Cluster } from '../../controller/model/cluster.ts';
import { unnamedPeer, type Flow } from '../../controller/model/flow.ts';
import { buildCluster } from '../support/build-cluster.ts';
import { openLink } from '../support/redis-link.ts';
import { ShardWorker } from '../support/shard-worker.ts';

export const streamsName = 'bench';
export const streamShards = 16;
const workloads = 500;
const pods = 4;
/** Each has an agent, which reports so often. */
export const nodes = 400;
const reportMs = 5_000;
const startMs = Date.UTC(2026, 10, 1, 10);

const address = (pod: number) => `10.244.${pod >> 8}.${pod & 255}`;

export function streamsCluster(): Cluster {
  return buildCluster(
    Array.from({ length: workloads }, (_, i) => ({
      name: `service-${i}`,
      labels: { app: `service-${i}` },
      pods: Array.from({ length: pods }, (_, j) => ({
        name: `service-${i}-${j}`,
        ips: [address(i * pods + j)],
        node: `node-${(i * pods + j) % nodes}`,
      })),
    })),
  );
}

/** Every batch is what one node's agent reports at once; the nodes report in turn. */
export function streamsBatch(batch: number, size: number): Flow[] {
  const timeMs = startMs + Math.floor((batch * reportMs) / nodes);
  return Array.from({ length: size }, (_, i) => {
    const server = (batch * 131 + i * 17) % (workloads * pods);
    const client = (server * 7 + (i % 10) * 13 + 1) % (workloads * pods);
    return {
      timeMs,
      endMs: timeMs + reportMs,
      client: { ...unnamedPeer, ip: address(client) },
      server: { ...unnamedPeer, ip: address(server) },
      clientPort: 0,
      port: 8080,
      addressed: undefined,
      protocol: 6,
      directed: true,
      verdict: 'none',
      answered: true,
      connections: 3,
      bytes: 12_345,
      source: 'conntrack',
      node: `node-${batch % nodes}`,
    };
  });
}

/** Answers with the time of the processors that was used before. */
async function told(): Promise<NodeJS.CpuUsage> {
  process.stdout.write('ready\n');
  await new Promise((resolve) => process.stdin.once('data', resolve));
  return process.cpuUsage();
}

/** Works on its part of the shards until so many flows are counted, and saves them. */
async function ours(url: string, flows: number, part: number, parts: number): Promise<NodeJS.CpuUsage> {
  const link = await openLink(url);
  const shards = await openShards(link, streamsName, streamShards);
  const only = shardsOf(part, parts);
  const cluster = streamsCluster();
  const before = await told();
  const worker = await ShardWorker.start({ link, shards, cluster, only, flushMs: 5_000, leaseMs: 15_000 });
  while (worker.flows < flows) await new Promise((resolve) => setTimeout(resolve, 5));
  await worker.stop();
  return before;
}

/** Shards that one of several workers has. */
export function shardsOf(part: number, parts: number): number[] {
  return Array.from({ length: streamShards }, (_, i) => i).filter((i) => i % parts === part);
}

/** Reads and acknowledges the same entries, and does nothing with them. */
async function bare(url: string, count: number): Promise<NodeJS.CpuUsage> {
  const redis = new Redis(url);
  const keys = streamKeys();
  const before = await told();
  for (let read = 0; read < count; ) {
    const found = await Promise.all(
      keys.map((key) => redis.xreadgroup('GROUP', 'g', 'c', 'COUNT', 256, 'STREAMS', key, '>')),
    );
    for (const streams of found as ([string, [string, string[]][]][] | null)[]) {
      const [key, entries] = streams?.[0] ?? ['', []];
      if (entries.length === 0) continue;
      read += entries.length;
      void redis.xack(key, 'g', ...entries.map(([id]) => id));
    }
  }
  await redis.quit();
  return before;
}

export function streamKeys(): string[] {
  const shards = { name: streamsName, count: streamShards };
  return Array.from({ length: streamShards }, (_, shard) => shardKeys(shardName(shards, shard)).intake);
}

if (import.meta.main) {
  const [kind, url = '', ...numbers] = process.argv.slice(2);
  const [count = 0, part = 0, parts = 1] = numbers.map(Number);
  const before = await (kind === 'bare' ? bare(url, count) : ours(url, count, part, parts));
  const { user, system } = process.cpuUsage(before);
  // seconds of all its threads, since it was told to begin
  process.stdout.write(`${(user + system) / 1e6}\n`);
  process.exit();
}
