import test from 'ava';
import { FlowFileError } from '../../controller/adapters/flow-file/flow-file-error.ts';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import { LiveIngest, type LiveIngestOptions } from '../../controller/intake/live-ingest.ts';
import type { Cluster } from '../../controller/model/cluster.ts';
import { type Flow, type FlowLoss, unnamedPeer } from '../../controller/model/flow.ts';
import { problem } from '../../controller/model/problem.ts';
import type { FlowBatch, FlowSource } from '../../controller/ports.ts';
import { ManualClock, settled } from '../reconcile/manual-clock.ts';
import { buildCluster } from '../support/build-cluster.ts';
import { minuteMs, mondayMs } from '../support/sightings.ts';
import { StaticView } from '../support/static-view.ts';
import { flow as plainFlow } from '../support/flows.ts';

/** A source that the test feeds. */
class Fed implements FlowSource {
  readonly name: string;
  asked = 0;
  #batches: (Partial<FlowBatch> | Error)[] = [];
  #more = Promise.withResolvers<void>();
  #ended = false;

  constructor(name: string) {
    this.name = name;
  }

  async feed(...batches: readonly (Partial<FlowBatch> | Error)[]): Promise<void> {
    this.#batches.push(...batches);
    this.#more.resolve();
    for (let i = 0; i < 3; i++) await settled();
  }

  async end(): Promise<void> {
    this.#ended = true;
    await this.feed();
  }

  progress() {
    return { doneBytes: 0, totalBytes: undefined };
  }

  async *batches(signal: AbortSignal): AsyncGenerator<FlowBatch> {
    this.asked++;
    for (;;) {
      const next = this.#batches.shift();
      if (next instanceof Error) throw next;
      if (next !== undefined) {
        yield { flows: [], losses: [], rejected: [], skipped: 0, records: next.flows?.length ?? 0, ...next };
      } else if (this.#ended) return;
      else {
        this.#more = Promise.withResolvers();
        const aborted = new Promise((_, reject) =>
          signal.addEventListener('abort', () => reject(new Error('aborted'))),
        );
        await Promise.race([this.#more.promise, aborted]);
      }
    }
  }
}

const web = { name: 'web', labels: { app: 'web' }, pods: [{ name: 'web-1', ips: ['10.244.0.1'] }] };
const cart = (...ips: readonly string[]) => ({
  name: 'cart',
  labels: { app: 'cart' },
  pods: ips.map((ip, i) => ({ name: `cart-${i}`, ips: [ip], startMs: mondayMs })),
});
const small = buildCluster([web, cart()]);
const grown = buildCluster([web, cart('10.244.0.2')]);

function flow(timeMs: number, facts: Partial<Flow> = {}): Flow {
  return plainFlow({ timeMs, source: 'hubble', ...facts });
}

async function running(cluster: Cluster, names: readonly string[], options: Partial<LiveIngestOptions> = {}) {
  const clock = new ManualClock(mondayMs + minuteMs);
  const view = new StaticView(cluster);
  const graph = new TrafficGraph({ binMs: 5 * minuteMs, saved: true });
  const ingest = new LiveIngest({ view, graph, clock, ...options });
  const sources = names.map((name) => new Fed(name));
  const stop = new AbortController();
  const run = ingest.run(sources, stop.signal);
  await settled();
  const ids = () => [...graph.connections()].map(({ id }) => id.replaceAll('workload:shop/Deployment/', ''));
  const end = async () => {
    stop.abort();
    await run;
  };
  return { clock, view, graph, ingest, sources, source: sources[0] as Fed, run, ids, end };
}

const known = 'web>cart:TCP/8080';
const unknown = 'web>unknown:no-owner:10.244.0.2:TCP/8080';

test('sources are read at once, and each says how it fares', async (t) => {
  const { ingest, sources, ids, run, clock } = await running(grown, ['a', 'b']);
  const [a, b] = sources as [Fed, Fed];
  await b.feed({ flows: [flow(mondayMs + 7)], position: 'b1' });
  await a.feed({
    flows: [flow(mondayMs + 5)],
    rejected: [{ where: 'a:2', reason: 'no flow' }],
    records: 2,
    position: 'a1',
  });
  t.deepEqual(ids(), [known]);
  const { records, flows, rejected } = ingest.counters;
  t.deepEqual([records, flows, rejected], [3, 2, 1]);
  t.deepEqual(
    ingest.health.map(({ name, state, lastFlowMs }) => [name, state, lastFlowMs]),
    [
      ['a', 'running', mondayMs + 5],
      ['b', 'running', mondayMs + 7],
    ],
  );
  t.deepEqual(Object.fromEntries(ingest.checkpoint().positions), { a: 'a1', b: 'b1' });
  t.deepEqual(ingest.checkpoint().positions, new Map());
  await a.end();
  await b.end();
  await clock.advance(250);
  await run;
  t.deepEqual(
    ingest.health.map(({ state }) => state),
    ['ended', 'ended'],
  );
});

test('the first flows of a node do not make its first observer a late one', async (t) => {
  const { source, graph, end } = await running(grown, ['a']);
  const started = { timeMs: mondayMs, source: 'hubble', node: 'n1', events: undefined, kind: 'started' } as const;
  const missed = () => graph.observation().losses.flatMap(({ periods }) => periods.map(({ uncounted }) => uncounted));
  await source.feed({ flows: [flow(mondayMs + 5)], losses: [started] });
  t.deepEqual(missed(), []);
  await source.feed({ flows: [], losses: [{ ...started, timeMs: mondayMs + minuteMs }] });
  t.deepEqual(missed(), [1]);
  await end();
});

test('a loss that a clock dates days before what its source reported already is of that time, and not made up for', async (t) => {
  const hourMs = 60 * minuteMs;
  const lost = (timeMs: number, node: string) =>
    ({ timeMs, source: 'hubble', node, events: 3, kind: 'lost' }) as const satisfies FlowLoss;
  const { source, graph, clock, end } = await running(grown, ['a']);
  const hours = () =>
    graph
      .observation()
      .losses.map(({ node, periods }) => [node, periods.map(({ startMs }) => (startMs - mondayMs) / hourMs)]);
  // as it reads what happened before it was there
  await source.feed({ flows: [flow(mondayMs - 60 * hourMs)], losses: [lost(mondayMs - 61 * hourMs, 'replayed')] });
  await source.feed({ flows: [flow(mondayMs), flow(clock.now() + 9 * hourMs, { node: 'ahead' })] });
  await source.feed({ losses: [lost(mondayMs - 48 * hourMs, 'behind'), lost(mondayMs - 50 * minuteMs, 'skewed')] });
  t.deepEqual(hours(), [
    ['behind', [0]],
    ['replayed', [-61]],
    ['skewed', [-1]],
  ]);
  await end();
});

test('a flow that comes before the news of its pod waits for it', async (t) => {
  const { clock, view, ingest, source, ids, end } = await running(small, ['a']);
  await source.feed({ flows: [flow(clock.now())] });
  t.deepEqual([ids(), ingest.counters.held], [[], 1]);
  view.change(grown);
  await clock.advance(250);
  await source.feed({ flows: [] });
  t.deepEqual([ids(), ingest.counters.held], [[known], 0]);
  await end();
});

test('a flow waits no longer than the grace, and an old one not at all', async (t) => {
  const { clock, ingest, source, ids, end } = await running(small, ['a']);
  await source.feed({ flows: [flow(clock.now() - 2000)] });
  t.deepEqual(ids(), [unknown]);
  await source.feed({ flows: [flow(clock.now(), { port: 9090 })] });
  await clock.advance(1999);
  t.is(ingest.counters.held, 1);
  await clock.advance(250);
  t.is(ingest.counters.held, 0);
  t.deepEqual(ingest.counters.unattributed, new Map([['no-owner', 2]]));
  t.is(ids().length, 2);
  await end();
});

test('so many flows wait and no more', async (t) => {
  const { clock, ingest, source, end } = await running(small, ['a'], { mostHeld: 2 });
  await source.feed({ flows: [1, 2, 3].map((port) => flow(clock.now(), { port })) });
  t.deepEqual([ingest.counters.held, ingest.counters.flows], [2, 1]);
  await end();
});

test('flows that wait are in the checkpoint, and the next process counts them', async (t) => {
  const first = await running(small, ['a']);
  await first.source.feed({ flows: [flow(first.clock.now())], position: 'a1' });
  const { held, observed, positions } = first.ingest.checkpoint();
  t.deepEqual([held.length, positions.get('a')], [1, 'a1']);
  await first.end();

  const clock = new ManualClock(mondayMs + minuteMs);
  const graph = new TrafficGraph({ binMs: 5 * minuteMs });
  const next = new LiveIngest({ view: new StaticView(grown), graph, clock });
  next.restore({ held, observed });
  const ran = next.run([], new AbortController().signal);
  await settled();
  await clock.advance(250);
  await ran;
  t.is([...graph.connections()][0]?.destination.kind, 'workload');
  t.is(next.counters.held, 0);
});

test('after a change of the cluster no flow is attributed by the old one', async (t) => {
  const { clock, view, ingest, source, ids, end } = await running(grown, ['a']);
  await source.feed({ flows: [flow(mondayMs)] });
  view.change(buildCluster([web, { ...cart('10.244.0.2'), name: 'basket' }]));
  await source.feed({ flows: [flow(mondayMs + 1, { clientPort: 40_001 })] });
  t.deepEqual(ids(), ['web>basket:TCP/8080', known]);
  t.is(ingest.counters.attributions, 2);
  view.tell({ kind: 'proposal', namespace: 'shop', name: 'x' });
  view.tell({ kind: 'profile' });
  await source.feed({ flows: [flow(mondayMs + 2, { clientPort: 40_002 })] });
  t.is(ingest.counters.attributions, 2);
  await clock.advance(0);
  await end();
});

test('a cluster that changes all the time leaves time for flows, and none of them is lost', async (t) => {
  const seen: Cluster[] = [];
  const { clock, view, ingest, source, end } = await running(grown, ['a'], {
    onCluster: (cluster) => seen.push(cluster),
  });
  view.cost = () => void clock.advance(100);
  await source.feed({ flows: [flow(mondayMs)] });
  t.is(ingest.counters.attributions, 1);
  for (let i = 1; i <= 20; i++) {
    view.change(buildCluster([web, cart('10.244.0.2')]));
    await source.feed({ flows: [flow(mondayMs, { clientPort: 40_000 + i })] });
  }
  t.deepEqual([ingest.counters.attributions, ingest.counters.flows], [1, 1]);
  await clock.advance(300);
  await settled();
  t.deepEqual([ingest.counters.attributions, ingest.counters.flows, seen.length], [2, 21, 2]);
  await end();
});

test('a source that fails is asked again, later each time, and takes no other down', async (t) => {
  const { clock, ingest, sources, end } = await running(grown, ['a', 'b']);
  const [a, b] = sources as [Fed, Fed];
  await a.feed(new Error('connection lost'));
  t.like(ingest.health[0], { state: 'retrying', message: 'connection lost' });
  await b.feed({ flows: [flow(mondayMs)] });
  t.is(ingest.counters.flows, 1);
  await clock.advance(1000);
  t.deepEqual([a.asked, ingest.health[0]?.state], [2, 'running']);
  await a.feed(new Error('again'));
  await clock.advance(1000);
  t.is(a.asked, 2);
  await clock.advance(1000);
  t.is(a.asked, 3);
  await a.feed({ flows: [] }, new Error('after it worked'));
  await clock.advance(1000);
  t.deepEqual([a.asked, b.asked], [4, 1]);
  await end();
});

test('a part of each wait is left to chance, so that not everybody comes back at once', async (t) => {
  const { clock, source, end } = await running(grown, ['a'], { random: () => 0 });
  await source.feed(new Error('connection lost'));
  await clock.advance(490);
  t.is(source.asked, 1);
  await clock.advance(10);
  t.is(source.asked, 2, 'half of what it would be at most');
  await end();
});

test('those who deliver to one source have positions of their own, and are told of with the checkpoint that holds them', async (t) => {
  const { ingest, source, end } = await running(grown, ['push']);
  const told: string[] = [];
  const batch = (producer: string, position: string) => ({
    producer,
    position,
    flows: [flow(mondayMs)],
    saved: () => void told.push(`${producer} ${position}`),
  });
  t.false(ingest.isAwaited);
  await source.feed(batch('n1', '1'), batch('n2', '1'), batch('n1', '2'));
  t.true(ingest.isAwaited);
  const first = ingest.checkpoint();
  t.deepEqual(
    first.positions,
    new Map([
      ['push/n1', '2'],
      ['push/n2', '1'],
    ]),
  );
  t.deepEqual([told, ingest.isAwaited], [[], false]);
  await source.feed({ ...batch('n1', '3'), forgotten: ['n2'] });
  for (const tell of first.saved) tell();
  t.deepEqual(told, ['n1 1', 'n2 1', 'n1 2']);
  const second = ingest.checkpoint();
  t.deepEqual(
    second.positions,
    new Map([
      ['push/n2', undefined],
      ['push/n1', '3'],
    ]),
  );
  t.is(second.saved.length, 1);
  await end();
});

test('a source that can never be read is given up', async (t) => {
  const { clock, ingest, source, run } = await running(grown, ['a']);
  await source.feed(new FlowFileError(problem('FlowFormatUnknown', 'not a flow file', 'a')));
  t.like(ingest.health[0], { state: 'failed', message: 'not a flow file' });
  await clock.advance(250);
  await run;
  t.is(source.asked, 1);
});

test('what sources say about addresses outlives the attribution', async (t) => {
  const { view, ingest, source, end } = await running(grown, ['a']);
  const apiServer = { ...unnamedPeer, ip: '198.51.100.1', reserved: 'kube-apiserver' } as const;
  await source.feed({ flows: [flow(mondayMs, { server: apiServer })] });
  view.change(small);
  const node = { ...unnamedPeer, ip: '198.51.100.2', reserved: 'host' } as const;
  await source.feed({ flows: [flow(mondayMs, { server: node })] });
  t.deepEqual(ingest.observed, { apiServer: ['198.51.100.1'], nodes: ['198.51.100.2'] });
  await end();
});

test('each sighting that is counted is told once', async (t) => {
  const told: string[] = [];
  const { clock, source, view, end } = await running(small, ['a'], {
    onSighting: ({ server }) => told.push(server.endpoint.kind),
  });
  await source.feed({ flows: [flow(mondayMs), flow(clock.now())] });
  t.deepEqual(told, ['unknown']);
  view.change(grown);
  await source.feed({ flows: [] });
  t.deepEqual(told, ['unknown', 'workload']);
  await end();
});

test('a bug ends the run instead of being taken for a failing source', async (t) => {
  const { source, run } = await running(grown, ['a'], {
    onSighting: () => {
      throw new TypeError('a bug');
    },
  });
  await source.feed({ flows: [flow(mondayMs)] });
  await t.throwsAsync(run, { instanceOf: TypeError, message: 'a bug' });
});

test('sources that come later see the cluster as it is by then', async (t) => {
  const { clock, view, ingest, source, ids, run } = await running(grown, ['a']);
  await source.feed({ flows: [flow(mondayMs)] });
  await source.end();
  await clock.advance(250);
  await run;
  view.change(buildCluster([web, { ...cart('10.244.0.2'), name: 'basket' }]));
  const later = new Fed('b');
  const stop = new AbortController();
  const second = ingest.run([later], stop.signal);
  await later.feed({ flows: [flow(mondayMs, { clientPort: 40_001 })] });
  t.deepEqual(ids(), ['web>basket:TCP/8080', known]);
  t.deepEqual(
    ingest.health.map(({ name, state, flows }) => [name, state, flows]),
    [
      ['a', 'ended', 1],
      ['b', 'running', 1],
    ],
  );
  stop.abort();
  await second;
});

test('an abort ends everything, also before the cluster is known', async (t) => {
  const view = new StaticView(grown, new Promise(() => undefined));
  const graph = new TrafficGraph({ binMs: 5 * minuteMs });
  const ingest = new LiveIngest({ view, graph, clock: new ManualClock() });
  const stop = new AbortController();
  const run = ingest.run([new Fed('a')], stop.signal);
  stop.abort();
  await run;
  t.is(ingest.counters.records, 0);
});
