import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Redis } from 'ioredis';
import { FlowAppender } from '../../controller/adapters/redis/flow-appender.ts';
import { openShards } from '../../controller/adapters/redis/shards.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import type { Flow } from '../../controller/model/flow.ts';
import { openLink } from '../support/redis-link.ts';
import { RedisServer } from '../support/redis-server.ts';
import { type Bench, type Figure, spread } from './measure.ts';
import { streamKeys, streamsFlows, streamShards, streamsName } from './streams-worker.ts';

const total = 400_000;
/** Aggregates that an agent of a busy node, and one of a quiet node, send at once. */
const sizes = [100, 20] as const;
const rounds = 4;
/** Agents whose batches are under way at once. */
const agents = 400;

type Child = ChildProcessByStdio<Writable, Readable, null>;

async function started(...args: readonly (string | number)[]): Promise<Child> {
  const file = fileURLToPath(new URL('streams-worker.ts', import.meta.url));
  const child = spawn(process.execPath, [file, ...args.map(String)], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

/** Seconds from when they are told to begin until all have ended. */
async function secondsOf(children: readonly Child[]): Promise<number> {
  const start = performance.now();
  await Promise.all(
    children.map(async (child) => {
      const done = once(child.stdout, 'data');
      child.stdin.write('go\n');
      await done;
    }),
  );
  return (performance.now() - start) / 1000;
}

async function append(url: string, all: readonly (readonly Flow[])[]): Promise<number> {
  const link = await openLink(url);
  const shards = await openShards(link, streamsName, streamShards);
  const appender = new FlowAppender({ link, shards, clock: systemClock, mostWaiting: 10 * total });
  const { signal } = new AbortController();
  const start = performance.now();
  await Promise.all(
    Array.from({ length: agents }, async (_, agent) => {
      for (let i = agent; i < all.length; i += agents) {
        const flows = all[i] as readonly Flow[];
        await appender.append({ producer: `agent-${agent}`, number: i + 1, flows, losses: [] }, signal);
      }
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  link.close();
  return seconds;
}

/** The same entries again, into empty streams with a group each. */
async function bareAppend(redis: Redis, entries: readonly (readonly [string, readonly string[]])[]): Promise<number> {
  await redis.flushall();
  for (const key of streamKeys()) await redis.xgroup('CREATE', key, 'g', '0', 'MKSTREAM');
  const start = performance.now();
  for (let i = 0; i < entries.length; i += 256) {
    await Promise.all(entries.slice(i, i + 256).map(([key, fields]) => redis.xadd(key, '*', ...fields)));
  }
  return (performance.now() - start) / 1000;
}

async function usedCpu(redis: Redis): Promise<number> {
  const info = await redis.info('cpu');
  return ['user', 'sys'].reduce(
    (sum, kind) => sum + Number(new RegExp(`used_cpu_${kind}:([\\d.]+)`).exec(info)?.[1]),
    0,
  );
}

export const bench: Bench = {
  name: 'redis-streams',
  title: `${total.toLocaleString('en-US')} flows over Redis streams, in batches of ${sizes.join(' and of ')}, ${streamShards} shards`,
  async run() {
    const figures: Figure[] = [];
    for (const size of sizes) figures.push(...(await measured(size)));
    return figures;
  },
};

async function measured(size: number): Promise<Figure[]> {
  const batches = total / size;
  const of = ` (batches of ${size})`;
  const all = streamsFlows(batches, size);
  const server = await RedisServer.start();
  const notes = new Map<string, number[]>();
  const note = (what: string, value: number) => notes.set(what, [...(notes.get(what) ?? []), value]);
  try {
    for (let round = 0; round < rounds; round++) {
      await server.admin.flushall();
      const appendSeconds = await append(server.url, all);
      const entries: [string, string[]][] = [];
      for (const key of streamKeys()) {
        for (const [, fields] of await server.admin.xrange(key, '-', '+')) entries.push([key, fields]);
      }
      const cpuBefore = await usedCpu(server.admin);
      const one = await secondsOf([await started('ours', server.url, batches, size, 0, 1)]);
      note(words.server, ((await usedCpu(server.admin)) - cpuBefore) / one);
      const bareAppendSeconds = await bareAppend(server.admin, entries);
      const bareRead = await secondsOf([await started('bare', server.url, entries.length)]);
      await server.admin.flushall();
      await append(server.url, all);
      const two = await secondsOf(
        await Promise.all([0, 1].map((part) => started('ours', server.url, batches, size, part, 2))),
      );
      note(words.bareAppend, total / bareAppendSeconds / 1000);
      note(words.append, total / appendSeconds / 1000);
      note(words.bareRead, total / bareRead / 1000);
      note(words.one, total / one / 1000);
      note(words.two, total / two / 1000);
      note(words.bare, total / (bareAppendSeconds + bareRead) / 1000);
      note(words.whole, total / (appendSeconds + one) / 1000);
    }
  } finally {
    await server.stop();
  }
  const median = (what: string) => spread(notes.get(what) ?? []).median;
  const rate = (what: string, baseline?: string, least?: number): Figure => ({
    what: what + of,
    values: notes.get(what) ?? [],
    unit: 'k flows/s',
    baseline: baseline && baseline + of,
    bar:
      baseline === undefined || least === undefined
        ? undefined
        : { text: `at least ${least}x`, met: median(what) / median(baseline) >= least },
  });
  return [
    rate(words.bareAppend),
    rate(words.append, words.bareAppend),
    rate(words.bareRead),
    rate(words.one, words.bareRead),
    rate(words.two, words.one, 1.7),
    rate(words.bare),
    rate(words.whole, words.bare, 0.6),
    { ...rate(words.server), unit: 'cores' },
  ];
}

const words = {
  bareAppend: 'bare XADD of the same entries',
  append: 'appending batches, divided by shard',
  bareRead: 'bare XREADGROUP and XACK of the same entries',
  one: 'one worker: read, attributed, counted, saved',
  two: 'two workers, each with half of the shards',
  bare: 'bare, appended and read',
  whole: 'appended, counted and saved by one worker',
  server: 'what the server used of a core beside one worker',
};
