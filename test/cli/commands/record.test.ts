import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { encodeFlow } from '../../../controller/adapters/flow-file/nanoseg-line.ts';
import { openFlowFile } from '../../../controller/adapters/flow-file/open-flow-file.ts';
import { FlowAttributor } from '../../../controller/attribution/attribute-flow.ts';
import { TrafficGraph } from '../../../controller/graph/traffic-graph.ts';
import { ingest } from '../../../controller/ingest.ts';
import type { Flow } from '../../../controller/model/flow.ts';
import type { FlowSource } from '../../../controller/ports.ts';
import { buildCluster } from '../../support/build-cluster.ts';
import { GoldmaneWorld } from '../../support/goldmane-world.ts';
import { HubbleWorld } from '../../support/hubble-world.ts';
import { eventually } from '../../support/recording-sink.ts';
import { directoryOf, runCli } from '../../support/run-cli.ts';
import { flowLine } from '../../support/tiny-shop.ts';

const program = fileURLToPath(new URL('../../../cli/main.ts', import.meta.url));
const web = {
  namespace: 'shop',
  name: 'web',
  labels: { app: 'web' },
  pods: [{ name: 'web-7c9f8d-abcde', ips: ['10.0.0.1'] }],
};
const cluster = buildCluster([web]);

/** The graph that `analyze` makes, as a value. */
async function graphOf(sources: readonly FlowSource[]) {
  const traffic = new TrafficGraph({ binMs: 300_000 });
  const summary = await ingest(sources, new FlowAttributor(cluster), traffic, { signal: new AbortController().signal });
  return { summary, graph: traffic.snapshot() };
}

/** What is on disk now, as `analyze` reads it; files that are not complete too when `hidden`. */
async function recorded(directory: string, { hidden = false } = {}) {
  const names = (await readdir(directory)).filter((name) => !name.includes('.lock'));
  const files = names.filter((name) => hidden || !name.startsWith('.'));
  // in the order of their beginnings, whether the name begins with a dot or not
  const sources = files
    .sort((a, b) => (a.replace(/^\./, '') < b.replace(/^\./, '') ? -1 : 1))
    .map((name) => openFlowFile(join(directory, name)));
  return { ...(await graphOf(sources)), flows: await flowsOf(sources) };
}

async function flowsOf(sources: readonly FlowSource[]): Promise<Flow[]> {
  const flows: Flow[] = [];
  for (const source of sources) {
    for await (const batch of source.batches(new AbortController().signal)) flows.push(...batch.flows);
  }
  return flows;
}

function played(flows: readonly Flow[]): FlowSource {
  const batch = { flows, losses: [], rejected: [], records: flows.length, skipped: 0 };
  return {
    name: 'played',
    progress: () => ({ doneBytes: 0, totalBytes: undefined }),
    async *batches() {
      yield batch;
    },
  };
}

/** `nanoseg record` as a process of its own. */
class RecordProcess {
  readonly #child: ChildProcess;
  out = '';
  err = '';

  constructor(t: ExecutionContext, ...args: readonly string[]) {
    this.#child = spawn(process.execPath, [program, 'record', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stdout?.on('data', (text: Buffer) => (this.out += text.toString()));
    this.#child.stderr?.on('data', (text: Buffer) => (this.err += text.toString()));
    t.teardown(() => void this.#child.kill('SIGKILL'));
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    const ended = once(this.#child, 'close');
    this.#child.kill(signal);
    await ended;
    return this.#child.exitCode;
  }
}

function goldmaneOptions({ address, files: { paths } }: GoldmaneWorld): string[] {
  const tls = ['--goldmane-ca', paths.ca, '--goldmane-cert', paths.cert, '--goldmane-key', paths.key];
  return ['--goldmane', address, ...tls];
}

test('a recording is the same graph as its source, over rotated files and a crash in the middle', async (t) => {
  const world = await GoldmaneWorld.open();
  t.teardown(() => world.close());
  const directory = await directoryOf(t, {});
  const start = async () => {
    await eventually(() => world.server.readers === 0, 'nobody reads');
    const options = ['--out', join(directory, 'flows.jsonl.gz'), '--rotate-size', '1KiB', '--flush', '0', '-o', 'json'];
    const record = new RecordProcess(t, ...goldmaneOptions(world), ...options);
    await eventually(() => world.server.readers === 1, 'the source is read');
    return record;
  };
  const onDisk = async (count: number) =>
    eventually(async () => {
      const { summary } = await recorded(directory, { hidden: true }).catch(() => ({ summary: { flows: 0 } }));
      return summary.flows >= count;
    }, `${count} flows on disk`);

  const first = await start();
  const flows = [...world.play(300), ...world.play(300)];
  await onDisk(600);
  flows.push(...world.play(400));
  await first.end('SIGKILL');

  const atCrash = await recorded(directory, { hidden: true });
  const kept = atCrash.summary.flows;
  t.true(kept >= 600);
  t.true(atCrash.summary.rejected <= 1, 'at most the last write is cut off');
  t.deepEqual(atCrash.flows, flows.slice(0, kept));
  t.deepEqual(atCrash.graph, (await graphOf([played(flows.slice(0, kept))])).graph);

  const second = await start();
  const later = [...world.play(300), ...world.play(1)];
  await onDisk(kept + 301);
  world.link.cut();
  await eventually(() => /warning: Goldmane at /.test(second.err), 'the break was told');
  world.link.mend();
  later.push(...world.play(50));
  await onDisk(kept + 351);
  t.is(await second.end('SIGINT'), 0);

  const { graph, summary, flows: all } = await recorded(directory);
  const expected = [...flows.slice(0, kept), ...later];
  t.deepEqual(all, expected);
  t.deepEqual(graph, (await graphOf([played(expected)])).graph);
  t.true(summary.sources.length >= 3);
  t.is(summary.losses, 0);
  const told = JSON.parse(second.out);
  t.like(told, { flows: 351, losses: 0, rejected: 0 });
  t.is(
    told.files.reduce((sum: number, { lines }: { lines: number }) => sum + lines, 0),
    351,
  );
  t.like(told.sources, [{ state: 'running', delivered: true, flows: 351 }]);
  t.regex(second.err, /Goldmane at .*: it delivers again/);
});

test('a loss is recorded too', async (t) => {
  const world = await GoldmaneWorld.open();
  t.teardown(() => world.close());
  const directory = await directoryOf(t, {});
  const record = new RecordProcess(
    t,
    ...goldmaneOptions(world),
    '--out',
    join(directory, 'flows.jsonl'),
    '--flush',
    '0',
  );
  await eventually(() => world.server.readers === 1, 'the source is read');
  const flows = world.play(2);
  await eventually(async () => (await readdir(directory)).includes('.flows.jsonl'), 'they are on disk');
  await world.server.restart();
  await eventually(() => world.server.readers === 1, 'it is read again');
  flows.push(...world.play(2));
  await eventually(async () => (await recorded(directory, { hidden: true })).summary.flows === 4, 'they are on disk');
  t.is(await record.end('SIGTERM'), 0);
  t.regex(record.out, /^recorded 4 flows and 1 loss in \d+ s\n {2}\S+flows\.jsonl {2}5 lines/);
  t.is((await recorded(directory)).summary.losses, 1);
});

test('several sources are one recording, each with its own flows and losses', async (t) => {
  const [goldmane, hubble] = await Promise.all([GoldmaneWorld.open(), HubbleWorld.open()]);
  t.teardown(() => Promise.all([goldmane.close(), hubble.close()]));
  const directory = await directoryOf(t, {});
  const options = ['--out', join(directory, 'flows.jsonl.gz'), '--flush', '0', '-o', 'json'];
  const record = new RecordProcess(t, ...goldmaneOptions(goldmane), '--hubble', hubble.server.address, ...options);
  await eventually(() => goldmane.server.readers + hubble.readers() === 2, 'both are read');
  const flows = [...goldmane.play(10), ...hubble.play(10, 'node-a')];
  hubble.lose('node-b');
  const count = async () => (await recorded(directory, { hidden: true })).summary;
  await eventually(async () => (await readdir(directory)).includes('.flows.jsonl.gz'), 'a file was begun');
  await eventually(async () => (await count()).records === 21, 'all of it is on disk');
  t.is(await record.end('SIGINT'), 0);
  const read = await recorded(directory);
  const sorted = (all: readonly Flow[]) => all.map(encodeFlow).sort();
  t.deepEqual(sorted(read.flows), sorted(flows));
  t.is(read.summary.losses, 1);
  t.like(JSON.parse(record.out), { flows: 20, losses: 1 });
});

test('files that are followed can be recorded, and --for ends it', async (t) => {
  const directory = await directoryOf(t, { 'a.jsonl': flowLine('shop/web > shop/cart 8080') });
  const out = join(directory, 'out', 'flows.jsonl.gz');
  const { code, out: said } = await runCli(
    'record',
    '--flows',
    join(directory, 'a.jsonl'),
    '--out',
    out,
    '--for',
    '1s',
  );
  t.is(code, 0);
  t.regex(
    said,
    /^recorded 1 flow and 0 losses in 1 s\n {2}.*flows\.jsonl\.gz {2}1 line {2}\d+ B\nnext: nanoseg analyze /,
  );
  const read = await graphOf([openFlowFile(out)]);
  t.deepEqual(read.graph, (await graphOf([openFlowFile(join(directory, 'a.jsonl'))])).graph);
});

test('a recording on standard output is lines alone, and its summary is on standard error', async (t) => {
  const line = flowLine('shop/web > shop/cart 8080');
  const directory = await directoryOf(t, { 'a.jsonl': `${line}no flow\n` });
  const { code, out, err } = await runCli('record', '--flows', join(directory, 'a.jsonl'), '--out', '-', '--for', '1s');
  t.is(code, 0);
  t.is(out, line);
  t.regex(err, /recorded 1 flow and 0 losses/);
  t.regex(err, /warning: 1 record could not be used and is not in the recording:\n {2}\S+a\.jsonl:2: not JSON/);
});

test('a source that cannot be reached, or whose address is none, is said and told by the exit code', async (t) => {
  const directory = await directoryOf(t, {});
  const out = join(directory, 'flows.jsonl');
  const unreachable = await runCli('record', '--hubble', `unix://${directory}/none.sock`, '--out', out, '--for', '1s');
  t.is(unreachable.code, 4);
  t.regex(unreachable.err, /warning: Hubble at unix:.*there is no such socket/);
  const wrong = await runCli('record', '--goldmane', 'goldmane', '--out', out);
  t.is(wrong.code, 2);
  t.regex(wrong.err, /error: Goldmane at goldmane: /);
  t.deepEqual(await readdir(directory), []);
});

test('what does not go together is refused before anything is opened', async (t) => {
  const directory = await directoryOf(t, { 'there.jsonl': '' });
  const out = join(directory, 'flows.jsonl');
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['--out', out], /nothing to record/],
    [['--hubble', 'relay:4245'], /required option '--out <file>'/],
    [['--hubble-ca', 'ca.crt', '--out', out], /what is said of hubble needs its address/],
    [
      ['--hubble', 'relay:4245', '--hubble-cert', 'tls.crt', '--out', out],
      /--hubble-cert and --hubble-key go together/,
    ],
    [['--hubble', 'relay:4245', '--keep', '3', '--out', out], /--keep goes with/],
    [['--hubble', 'relay:4245', '--rotate-size', '0', '--out', out], /Write 100MiB/],
    [['--hubble', 'relay:4245', '--rotate-size', '1.5GiB', '--out', out], /Write 100MiB/],
    [['--hubble', 'relay:4245', '--rotate-every', '0', '--out', out], /Write 10s/],
    [['--flows', directory, '--out', out], /a directory cannot be recorded/],
    [['--hubble', 'relay:4245', '--out', join(directory, 'there.jsonl')], /the file exists.*\(OutputUnwritable\)/],
  ];
  for (const [args, message] of cases) {
    const { code, err } = await runCli('record', ...args);
    t.is(code, 2, args.join(' '));
    t.regex(err, message);
  }
});
