import { spawnSync } from 'node:child_process';
import { bench as connectivity } from './connectivity.ts';
import { bench as conntrack } from './conntrack.ts';
import { bench as controller } from './controller.ts';
import { bench as graphMemory } from './graph-memory.ts';
import { bench as hubbleStream } from './hubble-stream.ts';
import { bench as http } from './http.ts';
import { bench as ingest } from './ingest.ts';
import { bench as liveInventory } from './live-inventory.ts';
import { type Bench, table } from './measure.ts';
import { bench as page } from './page.ts';
import { bench as quality } from './quality.ts';
import { bench as redis } from './redis.ts';
import { bench as redisStreams } from './redis-streams.ts';
import { bench as synthesis } from './synthesis.ts';

const benches: readonly Bench[] = [
  ingest,
  hubbleStream,
  conntrack,
  graphMemory,
  liveInventory,
  connectivity,
  quality,
  synthesis,
  controller,
  http,
  page,
  redis,
  redisStreams,
];

/** Runs the benchmarks that the command line names, or all of them, each in a process of its own. */
const wanted = process.argv.slice(2);
const [only] = wanted;
if (wanted.length === 1 && only !== undefined) process.exitCode = await runOne(only);
else {
  for (const { name } of wanted.length === 0 ? benches : wanted.map((name) => ({ name }))) {
    const { status } = spawnSync(process.execPath, ['--expose-gc', import.meta.filename, name], { stdio: 'inherit' });
    if (status !== 0) process.exitCode = status ?? 1;
  }
}

async function runOne(name: string): Promise<number> {
  const bench = benches.find((candidate) => candidate.name === name);
  if (bench === undefined) {
    process.stderr.write(`no benchmark ${name}; there are: ${benches.map((known) => known.name).join(', ')}\n`);
    return 2;
  }
  process.stderr.write(`${bench.name}: ${bench.title}\n`);
  const figures = await bench.run();
  const peakMb = Math.round(process.resourceUsage().maxRSS / 1024);
  process.stdout.write(`## ${bench.name}: ${bench.title}\n${table(figures)}\npeak memory ${peakMb} MB\n\n`);
  return figures.every(({ bar }) => bar === undefined || bar.met) ? 0 : 1;
}
