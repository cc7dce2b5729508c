import test from 'ava';
import fc from 'fast-check';
import type { NodeFlows } from '../../controller/graph/graph-delta.ts';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import { evidenceQuality } from '../../controller/learning/evidence-quality.ts';
import { prepareLearning, type Readiness, readinessOf } from '../../controller/learning/readiness.ts';
import type { Cluster } from '../../controller/model/cluster.ts';
import type { Connection } from '../../controller/model/connection.ts';
import type { Endpoint } from '../../controller/model/endpoint.ts';
import type { FlowLoss, ObservedTime } from '../../controller/model/flow.ts';
import { defaultProfile, type Profile } from '../../controller/model/profile.ts';
import type { Sighting } from '../../controller/model/sighting.ts';
import { buildCluster, type WorkloadSpec } from '../support/build-cluster.ts';
import { dayMs, hourMs, minuteMs, mondayMs, peer, sighting, workload } from '../support/sightings.ts';

const binMs = 5 * minuteMs;
const bins = dayMs / binMs;
const from = (address: string): Endpoint => ({ kind: 'external', address });
const started = (name: string, node = 'n1') => ({ name, node, startMs: mondayMs + hourMs });

const cart: WorkloadSpec = { name: 'cart', labels: { app: 'cart' }, pods: [started('cart-1')] };
const web: WorkloadSpec = { name: 'web', labels: { app: 'web' }, pods: [started('web-1')] };

interface Story {
  readonly specs?: readonly WorkloadSpec[];
  readonly parts?: Partial<Cluster>;
  /** Beside a connection from web to cart in every bin of a day. */
  readonly also?: readonly Sighting[];
  readonly losses?: readonly FlowLoss[];
  readonly observed?: readonly ObservedTime[];
  readonly profile?: Partial<Profile['learning']>;
  /** Bins of the day in which web called cart. */
  readonly steady?: (bin: number) => boolean;
  readonly node?: string;
  readonly heldBack?: (connection: Connection) => boolean;
}

function judge({
  specs = [cart, web],
  parts = {},
  also = [],
  losses = [],
  observed = [],
  profile = {},
  ...rest
}: Story): Readiness {
  const { steady = () => true, node = 'n1', heldBack = () => false } = rest;
  const graph = new TrafficGraph({ binMs });
  for (let bin = 0; bin <= bins; bin++)
    if (steady(bin)) graph.observe(sighting({ timeMs: mondayMs + bin * binMs }), node);
  for (const seen of also) graph.observe(seen, node);
  for (const loss of losses) graph.loss(loss);
  for (const time of observed) graph.observed(time);
  const cluster = buildCluster(specs, parts);
  const learning = { ...defaultProfile.learning, ...profile };
  const subject = [...cluster.workloads.values()].find(({ name }) => name === 'cart');
  if (subject === undefined) throw new Error('no cart');
  const held = new Set([...graph.connections()].filter(heldBack).map(({ id }) => id));
  return readinessOf(subject, prepareLearning(graph, cluster, { ...defaultProfile, learning }), held);
}

const codes = ({ missing }: Readiness) => missing.map(({ code }) => code);
const loss = (wanted: Partial<FlowLoss>): FlowLoss => ({
  timeMs: mondayMs,
  source: 'hubble',
  node: 'n1',
  events: undefined,
  kind: 'lost',
  ...wanted,
});

test('a workload that was seen in full for the whole window is ready', (t) => {
  const readiness = judge({});
  t.deepEqual(readiness.missing, []);
  t.like(readiness, { state: 'ready', coverage: 1, unseen: 0 });
});

test('the coverage of connections that were seen too often to keep every time is said to be a lower bound', (t) => {
  t.regex(judge({}).notes.join(), /1 of 1 connection was seen too often/);
});

test('a workload without traffic is learning, and its coverage is unknown', (t) => {
  const readiness = judge({ steady: () => false });
  t.like(readiness, { state: 'learning', coverage: 'unknown', unseen: 'unknown' });
  t.deepEqual(codes(readiness), ['no-evidence']);
});

test('denied attempts are no evidence', (t) => {
  const denied = sighting({ verdict: 'denied' });
  t.deepEqual(codes(judge({ steady: () => false, also: [denied] })), ['no-evidence']);
});

test('a window that is too short is said so with both lengths', (t) => {
  const { missing } = judge({ steady: (bin) => bin <= 36 });
  t.deepEqual(
    missing.map(({ message }) => message),
    ['the flows span 3 h of the 24 h that the profile asks for'],
  );
});

test('a coverage from too few bins is unknown and blocks', (t) => {
  const readiness = judge({ profile: { bins: 1000 } });
  t.is(readiness.coverage, 'unknown');
  t.deepEqual(codes(readiness), ['coverage']);
  const { missing } = judge({ steady: (bin) => bin === 0, profile: { bins: 1, windowMs: 0 } });
  const message = missing.find(({ code }) => code === 'coverage')?.message;
  t.is(message, 'the coverage is unknown: the window has 1 time bin, an estimate needs 2');
});

test('connections seen only once keep a workload learning', (t) => {
  const also = ['a', 'b', 'c', 'd', 'e'].map((name) => sighting({ client: peer(workload(name)), port: 9000 }));
  const readiness = judge({ also });
  t.deepEqual(codes(readiness), ['coverage']);
  t.true(Number(readiness.coverage) < 0.99 && Number(readiness.coverage) > 0.9);
});

test('strangers at a port that is open to the world anyway do not lower the coverage', (t) => {
  const also = Array.from({ length: 40 }, (_, i) =>
    sighting({ client: peer(from(`192.0.2.${i}`), 0), port: 8443, timeMs: mondayMs + i * hourMs * 0.6 }),
  );
  const specs = [cart, web];
  const exposure = {
    workload: judge({}).workload,
    protocol: 'TCP',
    port: 8443,
    through: 'LoadBalancer',
    by: 'shop/Service/cart',
    hidesClients: false,
  } as const;
  t.deepEqual(codes(judge({ specs, also })), ['coverage']);
  t.deepEqual(codes(judge({ specs, also, parts: { exposures: [exposure] } })), []);
});

test('a CronJob of the namespace that has not run keeps its neighbours learning, by its name', (t) => {
  const schedule = { expression: '0 3 * * *', timeZone: undefined, suspended: false };
  const report: WorkloadSpec = { kind: 'CronJob', name: 'nightly-report', labels: {}, selector: undefined, schedule };
  const specs = [cart, web, report];
  const { missing } = judge({ specs });
  t.regex(missing[0]?.message ?? '', /^CronJob nightly-report has not run yet/);
  t.deepEqual(codes(judge({ specs, profile: { cronJobs: false } })), []);
  t.deepEqual(codes(judge({ specs: [cart, web, { ...report, namespace: 'other' }] })), []);
  const key = { kind: 'workload', workload: 'shop/CronJob/nightly-report' } as Endpoint;
  const ran = sighting({ client: peer(key), server: peer(workload('web')), timeMs: mondayMs + 4 * hourMs });
  t.deepEqual(codes(judge({ specs, also: [ran] })), []);
});

test('a workload that was never seen to start is learning, unless the profile does not ask for it', (t) => {
  const specs = [{ ...cart, pods: [{ ...started('cart-1'), startMs: mondayMs - dayMs }] }, web];
  t.deepEqual(codes(judge({ specs })), ['start-up']);
  t.deepEqual(codes(judge({ specs, profile: { startUps: false } })), []);
});

test('a weekday that the profile asks for has to be in the window', (t) => {
  t.deepEqual(codes(judge({ profile: { weekdays: [1] } })), []);
  t.deepEqual(codes(judge({ profile: { weekdays: [6] } })), ['weekday']);
});

test('lost events on its node block above the threshold, and elsewhere they do not', (t) => {
  t.deepEqual(codes(judge({ losses: [loss({ events: 50 })] })), ['loss']);
  t.deepEqual(codes(judge({ losses: [loss({ events: 50 })], profile: { loss: 0.5 } })), []);
  t.deepEqual(codes(judge({ losses: [loss({ events: 50, node: 'n2' })] })), []);
  t.deepEqual(codes(judge({ losses: [loss({ events: 50, node: '' })] })), ['loss']);
});

test('a loss that nobody counted and a node that was not observed block at any threshold', (t) => {
  const profile = { loss: 1 };
  t.deepEqual(codes(judge({ losses: [loss({})], profile })), ['loss']);
  t.deepEqual(codes(judge({ losses: [loss({ kind: 'unavailable' })], profile })), ['unavailable']);
});

test('what was lost is made up for by a whole window that was watched without a hole', (t) => {
  const profile = { windowMs: 6 * hourMs };
  const at = (hour: number, wanted: Partial<FlowLoss>) => [loss({ ...wanted, timeMs: mondayMs + hour * hourMs })];
  for (const wanted of [{}, { events: 50 }, { kind: 'unavailable' }] as const) {
    t.deepEqual(codes(judge({ losses: at(2, wanted), profile })), []);
    t.is(codes(judge({ losses: at(20, wanted), profile })).length, 1);
  }
  t.deepEqual(codes(judge({ losses: at(2, { kind: 'sampled', events: 50 }), profile })), ['sampled']);
});

test('a node that was reported as not observed is so until it reports again', (t) => {
  const day = (node: string, bins: number): NodeFlows => ({
    source: 'hubble',
    node,
    flows: 100,
    firstMs: mondayMs,
    lastMs: mondayMs + bins * binMs,
    binMs,
    runs: [{ startMs: mondayMs, bins }],
  });
  const gone = (hour: number) => ({
    source: 'hubble' as const,
    node: 'n1',
    sampling: 1,
    periods: [{ startMs: mondayMs + hour * hourMs, lost: 0, uncounted: 0, unavailable: 1 }],
  });
  const span = { firstMs: mondayMs, lastMs: mondayMs + 24 * hourMs };
  const sinceMs = span.lastMs - hourMs;
  const found = (flows: readonly NodeFlows[], hour: number) =>
    evidenceQuality(
      { binMs, span, flows, losses: [gone(hour)] },
      { loss: 0, sinceMs },
      new Map(),
    )(['n1']).map(({ code }) => code);
  const whole = Math.round((24 * hourMs) / binMs);
  t.deepEqual(found([day('n1', whole)], 4), []);
  t.deepEqual(found([day('n1', Math.round(whole * 0.92)), day('n2', whole)], 22), ['unavailable']);
});

test('sampled evidence never makes a workload ready', (t) => {
  const { missing } = judge({ losses: [loss({ kind: 'sampled', events: 50 })], profile: { loss: 1 } });
  t.deepEqual(
    missing.map(({ code }) => code),
    ['sampled'],
  );
  t.regex(missing[0]?.message ?? '', /1 in 50/);
});

test('a node that reported nothing, while the workload runs there, blocks', (t) => {
  const specs = [{ ...cart, pods: [started('cart-1', 'n1'), started('cart-2', 'n2')] }, web];
  const { missing } = judge({ specs });
  t.deepEqual(missing, [{ code: 'unobserved-node', message: 'node n2 reported no flow' }]);
});

test('reports without the name of a node count for every node', (t) => {
  t.deepEqual(codes(judge({ node: '' })), []);
  t.deepEqual(codes(judge({ node: '', losses: [loss({ events: 50 })] })), ['loss']);
});

test('a node that fell silent for a good part of the window was not observed', (t) => {
  t.deepEqual(codes(judge({ steady: (bin) => bin < 100 || bin > 150 })), ['silence']);
  t.deepEqual(codes(judge({ steady: (bin) => bin % 20 !== 0 || bin === bins || bin === 0 })), []);
});

/** Told each minute from one hour to another. */
function alive(node: string, fromHour: number, toHour: number): ObservedTime[] {
  return Array.from({ length: Math.round((toHour - fromHour) * 60) }, (_, minute) => {
    const fromMs = mondayMs + fromHour * hourMs + minute * minuteMs;
    return { source: 'conntrack', node, fromMs, toMs: fromMs + minuteMs };
  });
}

test('a node on which nothing happened was observed when its agent says so', (t) => {
  const specs = [{ ...cart, pods: [started('cart-1', 'n1'), started('cart-2', 'n2')] }, web];
  t.deepEqual(codes(judge({ specs, observed: alive('n2', 0, 24) })), []);
  t.deepEqual(codes(judge({ specs, observed: alive('n2', 0, 23) })), []);
  t.deepEqual(codes(judge({ specs, observed: alive('n2', 0, 20) })), ['silence']);
  const quiet = (bin: number) => bin < 100 || bin > 150;
  t.deepEqual(codes(judge({ steady: quiet, observed: alive('n1', 8, 13) })), []);
  t.deepEqual(codes(judge({ steady: quiet, observed: alive('n2', 8, 13) })), ['silence']);
});

test('a node that could not be observed is so again when its agent says so', (t) => {
  const losses = [loss({ timeMs: mondayMs + 2 * hourMs, source: 'conntrack', node: 'n2', kind: 'unavailable' })];
  const specs = [{ ...cart, pods: [started('cart-1', 'n1'), started('cart-2', 'n2')] }, web];
  const profile = { windowMs: 6 * hourMs };
  t.deepEqual(codes(judge({ specs, losses, profile, observed: alive('n2', 0, 24) })), []);
  t.deepEqual(codes(judge({ specs, losses, profile, observed: alive('n2', 0, 2) })), ['unavailable', 'silence']);
});

test('that nodes were observed makes no workload ready that lacks its window, its evidence or its coverage', (t) => {
  const anyAlive = fc.tuple(fc.constantFrom('n1', 'n2'), fc.nat(48), fc.nat(48));
  fc.assert(
    fc.property(
      fc.array(anyAlive, { maxLength: 4 }),
      fc.integer({ min: 1, max: 300 }),
      fc.nat(3),
      (times, last, every) => {
        const story: Story = {
          steady: (bin) => every > 0 && bin < last && bin % every === 0,
          also: [sighting({ port: 9000, timeMs: mondayMs + hourMs, server: peer(workload('pay')) })],
        };
        const observed = times.flatMap(([node, from, length]) => alive(node, from, from + length));
        const quality = new Set(['unobserved-node', 'silence', 'unavailable']);
        const others = (readiness: Readiness) => readiness.missing.filter(({ code }) => !quality.has(code));
        const [told, plain] = [judge({ ...story, observed }), judge(story)];
        t.deepEqual(others(told), others(plain));
        t.deepEqual([told.coverage, told.unseen], [plain.coverage, plain.unseen]);
      },
    ),
    { numRuns: 30 },
  );
});

test('traffic with an unknown other side blocks above the threshold', (t) => {
  const stranger = peer({ kind: 'unknown', reason: 'no-owner', address: '10.244.9.9' }, 0);
  const readiness = judge({ also: [0, 1, 2].map((i) => sighting({ client: stranger, timeMs: mondayMs + i * binMs })) });
  t.deepEqual(codes(readiness), ['unattributed']);
  t.regex(readiness.missing[0]?.message ?? '', /no-owner/);
});

test('a pair seen only without direction blocks, and one that was also seen with direction does not', (t) => {
  const blind = (name: string) =>
    sighting({ client: peer(workload('cart')), server: peer(workload(name)), directed: false, port: 40_000 });
  t.deepEqual(codes(judge({ also: [blind('web')] })), []);
  t.deepEqual(codes(judge({ also: [blind('pay')] })), ['undirected']);
});

test('probes of a scanner that are held back do not keep its victim from being ready', (t) => {
  const probes = Array.from({ length: 20 }, (_, i) => sighting({ port: 9_000 + i }));
  t.is(judge({ also: probes }).state, 'learning');
  t.is(judge({ also: probes, heldBack: ({ port }) => port >= 9_000 }).state, 'ready');
});
