import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { encodeFlow } from '../../controller/adapters/flow-file/nanoseg-line.ts';
import { openFlowFile } from '../../controller/adapters/flow-file/open-flow-file.ts';
import { MemoryConnectionStore } from '../../controller/adapters/memory/memory-connection-store.ts';
import { ConnectionFileError } from '../../controller/adapters/sqlite/connection-file-error.ts';
import { SqliteConnectionStore } from '../../controller/adapters/sqlite/sqlite-connection-store.ts';
import { FlowAttributor } from '../../controller/attribution/attribute-flow.ts';
import { EvidenceKeeper } from '../../controller/intake/evidence-keeper.ts';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import { LiveIngest } from '../../controller/intake/live-ingest.ts';
import type { Flow } from '../../controller/model/flow.ts';
import { problem } from '../../controller/model/problem.ts';
import type { ConnectionStore } from '../../controller/ports.ts';
import { ManualClock, settled } from '../reconcile/manual-clock.ts';
import { killedBinMs, killedCluster, lastPort } from '../support/killed-ingest.ts';
import { minuteMs, mondayMs, sighting } from '../support/sightings.ts';
import { StaticView } from '../support/static-view.ts';
import { flow } from '../support/flows.ts';

function keeping(store: ConnectionStore, binMs = 5 * minuteMs) {
  const clock = new ManualClock(mondayMs);
  const graph = new TrafficGraph({ binMs, saved: true });
  const ingest = new LiveIngest({ view: new StaticView(killedCluster), graph, clock });
  return { clock, graph, keeper: new EvidenceKeeper({ store, graph, ingest, clock }) };
}

async function restored(store: ConnectionStore, binMs = 5 * minuteMs): Promise<TrafficGraph> {
  const graph = new TrafficGraph({ binMs, saved: true });
  const { evidence, memory } = await store.load();
  graph.restore(evidence, memory.recent);
  return graph;
}

test('what changed is saved every interval, earlier when it is much, and at the end', async (t) => {
  const store = new MemoryConnectionStore();
  const { clock, graph, keeper } = keeping(store);
  t.deepEqual(await keeper.load(), new Map());
  const stop = new AbortController();
  const run = keeper.run(stop.signal);
  const pass = async (ms: number) => {
    await clock.advance(ms);
    await settled();
  };
  graph.observe(sighting());
  await pass(250);
  t.is((await restored(store)).size, 0);
  await pass(4750);
  t.is((await restored(store)).size, 1);
  t.is(keeper.health.lastSavedMs, mondayMs + 5000);

  for (let i = 0; i < 20_000; i++) graph.observe(sighting({ port: 1 + (i % 30_000) }));
  await pass(250);
  t.is((await restored(store)).size, 20_000);

  graph.observe(sighting({ port: 30_000 }));
  stop.abort();
  await run;
  await keeper.close();
  t.deepEqual((await restored(store)).snapshot(), graph.snapshot());
});

test('what could not be saved is saved later, and nothing of it is lost', async (t) => {
  const store = new MemoryConnectionStore();
  let full = true;
  const failing: ConnectionStore = {
    load: () => store.load(),
    close: () => store.close(),
    save: async (changes, positions, memory) => {
      if (full)
        throw new ConnectionFileError(problem('EvidenceUnreadable', 'the disk is full', 'x'), { retryable: true });
      await store.save(changes, positions, memory);
    },
  };
  const { graph, keeper } = keeping(failing);
  await keeper.load();
  graph.observe(sighting());
  await keeper.save();
  t.regex(keeper.health.failure?.message ?? '', /disk is full/);
  graph.observe(sighting({ port: 9090 }));
  await keeper.save();
  full = false;
  await keeper.save();
  t.is(keeper.health.failure, undefined);
  t.deepEqual((await restored(store)).snapshot(), graph.snapshot());
});

test('evidence in other bins than the profile asks for is a problem', async (t) => {
  const store = new MemoryConnectionStore();
  const first = keeping(store);
  await first.keeper.load();
  first.graph.observe(sighting());
  await first.keeper.close();
  const other = keeping(store, minuteMs);
  t.like(await other.keeper.load(), { code: 'EvidenceBinsDiffer' });
  other.graph.observe(sighting());
  await other.keeper.close();
  t.deepEqual((await restored(store)).snapshot(), first.graph.snapshot());
});

const kills = 24;
const lines = 6_000;
const farFutureMs = Date.UTC(2099, 0, 1);

function flowOf(facts: Pick<Flow, 'timeMs' | 'clientPort' | 'port' | 'bytes' | 'node'>, server = '10.244.0.2'): Flow {
  return flow({ ...facts, server });
}

/** Many connections; each is reported by both ends, with up to thousands of others in between; some have no owner yet. */
function flowLine(i: number): string {
  const connection = (i * 7919) % (lines / 2);
  const late = connection % 50 === 0;
  const facts = {
    timeMs: late ? farFutureMs : mondayMs + connection * 100,
    clientPort: 10_000 + connection,
    port: 1 + (connection % 40),
    bytes: i,
    node: `n${i % 3}`,
  };
  return `${encodeFlow(flowOf(facts, late ? '10.244.9.9' : '10.244.0.2'))}\n`;
}

const lastFlow = flowOf({ timeMs: mondayMs, clientPort: 9_999, port: lastPort, bytes: 0, node: '' });

test('killed at any moment and started again, the process ends with the evidence of one that never was', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'nanoseg-kill-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const [flows, database] = [join(directory, 'flows.jsonl'), join(directory, 'evidence.db')];
  const text = Array.from({ length: lines }, (_, i) => flowLine(i)).join('');
  const cut = Math.floor(text.length * 0.45);
  const rotateAt = text.indexOf('\n', cut) + 1;
  await writeFile(flows, text.slice(0, 20_000));

  const start = () => {
    const child = spawn(process.execPath, [
      fileURLToPath(new URL('../support/killed-ingest.ts', import.meta.url)),
      flows,
      database,
    ]);
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    return { child, said: () => said, exited: once(child, 'exit') as Promise<[number | null, string | null]> };
  };

  const write = async () => {
    for (let at = 20_000; at < text.length; ) {
      const to = at < rotateAt ? Math.min(at + 9_000, rotateAt) : at + 9_000;
      await appendFile(flows, text.slice(at, to));
      at = to;
      if (at === rotateAt) {
        await rename(flows, `${flows}.1`);
        await writeFile(flows, '');
      }
      await delay(25);
    }
    await appendFile(flows, `${encodeFlow(lastFlow)}\n`);
  };
  // a file that is rotated away before anybody read it is nobody's
  const first = start();
  for await (const said of first.child.stdout) if (String(said).includes('saved')) break;
  first.child.kill('SIGKILL');
  await first.exited;
  const writing = write();
  const delays: number[] = [];
  for (let i = 0; i < kills; i++) {
    const { child, said, exited } = start();
    // every fourth is killed while it starts
    if (i % 4 !== 0) await Promise.race([once(child.stdout, 'data'), exited]);
    const ms = Math.random() * (i % 4 === 0 ? 250 : 150);
    delays.push(ms);
    await delay(ms);
    const alive = child.exitCode === null;
    child.kill('SIGKILL');
    const [code] = await exited;
    t.true(alive || code === 0, `exit ${code} after ${delays.join(', ')} ms: ${said()}`);
  }
  await writing;
  const last = start();
  const [code] = await last.exited;
  t.is(code, 0, last.said());

  const whole = new TrafficGraph({ binMs: killedBinMs });
  const attributor = new FlowAttributor(killedCluster);
  for (const path of [`${flows}.1`, flows]) {
    for await (const batch of openFlowFile(path).batches(AbortSignal.timeout(10_000))) {
      for (const flow of batch.flows) whole.observe(attributor.attribute(flow), flow.node);
    }
  }
  const store = new SqliteConnectionStore(database);
  t.deepEqual((await restored(store, killedBinMs)).snapshot(), whole.snapshot(), delays.join(', '));
  t.is((await store.load()).memory.held.length, 0);
  await store.close();
});
