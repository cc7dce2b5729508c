import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Redis } from 'ioredis';
import { FlowAppender } from '../../controller/adapters/redis/flow-appender.ts';
import { shardOf } from '../../controller/adapters/redis/shard-of-flow.ts';
import { batchesOf } from '../../controller/adapters/redis/shard-stream.ts';
import { openShards } from '../../controller/adapters/redis/shards.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import type { Flow } from '../../controller/model/flow.ts';
import { openLink } from '../support/redis-link.ts';
import { RedisServer } from '../support/redis-server.ts';
import { cpuShare } from './cpu-share.ts';
import { type Bench, type Figure, spread } from './measure.ts';
import { nodes, shardsOf, streamKeys, streamsBatch, streamShards, streamsName } from './streams-worker.ts';

/** Aggregates that an agent of a busy node, and one of a quiet node, send at once; and how many flows that is in all. */
const loads = [
  { size: 100, total: 4_000_000 },
  { size: 20, total: 2_000_000 },
] as const;
const rounds = 3;
/** For what is measured with a part of a core. */
const heldTotal = 1_200_000;
const heldCores = 0.5;
/** So many flows are made at once, outside of what is timed. */
const madeAtOnce = 400_000;

type Child = ChildProcessByStdio<Writable, Readable, null>;

async function startChild(...args: readonly (string | number)[]): Promise<Child> {
  const file = fileURLToPath(new URL('streams-worker.ts', import.meta.url));
  const child = spawn(process.execPath, [file, ...args.map(String)], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

/** Seconds from when they are told to begin until all have ended, and the cores that they used meanwhile. */
async function measuredWork(children: readonly Child[]): Promise<{ readonly seconds: number; readonly cores: number }> {
  const start = performance.now();
  const used = await Promise.all(
    children.map(async (child) => {
      const done = once(child.stdout, 'data');
      child.stdin.write('go\n');
      return Number(String(await done));
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  return { seconds, cores: used.reduce((sum, one) => sum + one, 0) / seconds };
}

interface Appended {
  readonly seconds: number;
  /** Flows of each shard. */
  readonly flows: readonly number[];
}

async function append(url: string, total: number, size: number): Promise<Appended> {
  const link = await openLink(url);
  const shards = await openShards(link, streamsName, streamShards);
  const appender = new FlowAppender({ link, shards, clock: systemClock, mostWaiting: total });
  const { signal } = new AbortController();
  const counts = Array.from({ length: shards.count }, () => 0);
  let ms = 0;
  for (let from = 0; from < total; from += madeAtOnce) {
    const first = from / size;
    const batches = Array.from({ length: madeAtOnce / size }, (_, i) => streamsBatch(first + i, size));
    for (const flow of batches.flat()) counts[shardOf(flow, shards.count)]! += 1;
    const start = performance.now();
    await Promise.all(
      Array.from({ length: nodes }, async (_, agent) => {
        for (let i = agent; i < batches.length; i += nodes) {
          const flows = batches[i] as readonly Flow[];
          await appender.append({ producer: `agent-${agent}`, number: first + i + 1, flows, losses: [] }, signal);
        }
      }),
    );
    ms += performance.now() - start;
  }
  link.close();
  return { seconds: ms / 1000, flows: counts };
}

type BareEntry = readonly [key: string, fields: readonly string[]];

/** What was appended, as the entries that it makes where each batch has one of its own. */
async function bareEntries(redis: Redis): Promise<BareEntry[]> {
  const found: BareEntry[] = [];
  for (const key of streamKeys()) {
    for (const [, fields] of await redis.xrange(key, '-', '+')) {
      for (const batch of batchesOf(fields)) {
        if (batch === undefined) throw new Error(`an entry of ${key} that cannot be read`);
        found.push([key, ['p', batch.producer, 'n', `${batch.number}`, 'f', batch.text]]);
      }
    }
  }
  return found;
}

/** Into empty streams with a group each. */
async function bareAppend(redis: Redis, entries: readonly BareEntry[]): Promise<number> {
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
  title: `flows over Redis streams, ${streamShards} shards, reported by ${nodes} nodes`,
  async run() {
    const figures: Figure[] = [];
    for (const load of loads) figures.push(...(await measured(load)));
    return figures;
  },
};

async function measured({ size, total }: (typeof loads)[number]): Promise<Figure[]> {
  const of = ` (batches of ${size})`;
  const server = await RedisServer.start();
  const { admin, url } = server;
  const notes = new Map<string, number[]>();
  const note = (what: string, value: number) => notes.set(what, [...(notes.get(what) ?? []), value]);
  const rateOf = (seconds: number) => total / seconds / 1000;
  const workers = (flows: readonly number[], parts: number) =>
    Promise.all(
      Array.from({ length: parts }, (_, part) => {
        const mine = shardsOf(part, parts).reduce((sum, shard) => sum + (flows[shard] as number), 0);
        return startChild('ours', url, mine, part, parts);
      }),
    );
  const work = async (flows: readonly number[], parts: number) => {
    const started = await workers(flows, parts);
    const before = await usedCpu(admin);
    const { seconds, cores } = await measuredWork(started);
    return { seconds, cores, server: ((await usedCpu(admin)) - before) / seconds };
  };
  /** Each worker has half a core, so that two of them and the server have what they can use. */
  const heldWork = async (parts: number): Promise<number | undefined> => {
    await admin.flushall();
    const { flows } = await append(url, heldTotal, size);
    const started = await workers(flows, parts);
    const shares = started.map((_, part) => cpuShare(`${part}`, heldCores));
    shares.forEach((share, part) => share?.hold(started[part]?.pid ?? 0));
    const ended = started.map((child) => once(child, 'exit'));
    const { seconds } = await measuredWork(started);
    await Promise.all(ended);
    for (const share of shares) share?.end();
    return shares.includes(undefined) ? undefined : seconds;
  };
  try {
    for (let round = 0; round < rounds; round++) {
      await admin.flushall();
      const appended = await append(url, total, size);
      const entries = await bareEntries(admin);
      const one = await work(appended.flows, 1);
      const bareAppendSeconds = await bareAppend(admin, entries);
      const { seconds: bareReadSeconds } = await measuredWork([await startChild('bare', url, entries.length)]);
      entries.length = 0;
      await admin.flushall();
      const again = await append(url, total, size);
      const two = await work(again.flows, 2);
      const [heldOne, heldTwo] = [await heldWork(1), await heldWork(2)];
      if (heldOne !== undefined && heldTwo !== undefined) {
        note(words.heldOne, heldTotal / heldOne / 1000);
        note(words.heldTwo, heldTotal / heldTwo / 1000);
      }
      note(words.bareAppend, rateOf(bareAppendSeconds));
      note(words.append, rateOf(appended.seconds));
      note(words.append, rateOf(again.seconds));
      note(words.bareRead, rateOf(bareReadSeconds));
      note(words.one, rateOf(one.seconds));
      note(words.two, rateOf(two.seconds));
      note(words.bare, rateOf(bareAppendSeconds + bareReadSeconds));
      note(words.wholeOne, rateOf(appended.seconds + one.seconds));
      note(words.wholeTwo, rateOf(again.seconds + two.seconds));
      note(words.oneCores, one.cores);
      note(words.twoCores, two.cores);
      note(words.serverOne, one.server);
      note(words.serverTwo, two.server);
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
  const cores = (what: string): Figure => ({ ...rate(what), unit: 'cores' });
  return [
    rate(words.bareAppend),
    rate(words.append, words.bareAppend),
    rate(words.bareRead),
    rate(words.one, words.bareRead),
    rate(words.two, words.one),
    ...(notes.has(words.heldOne) ? [rate(words.heldOne), rate(words.heldTwo, words.heldOne, 1.7)] : []),
    rate(words.bare),
    rate(words.wholeOne, words.bare, 0.6),
    rate(words.wholeTwo, words.bare, 0.6),
    cores(words.oneCores),
    cores(words.twoCores),
    cores(words.serverOne),
    cores(words.serverTwo),
  ];
}

const words = {
  bareAppend: 'bare XADD of each batch of a shard',
  append: 'appending batches, divided by shard',
  bareRead: 'bare XREADGROUP and XACK of them',
  one: 'one worker: read, attributed, counted, saved',
  two: 'two workers, each with half of the shards',
  heldOne: 'one worker, held to half a core',
  heldTwo: 'two workers, held to half a core each',
  bare: 'bare, appended and read',
  wholeOne: 'appended, counted and saved by one worker',
  wholeTwo: 'appended, counted and saved by two workers',
  oneCores: 'what one worker used',
  twoCores: 'what two workers used',
  serverOne: 'what the server used beside one worker',
  serverTwo: 'what the server used beside two workers',
};
