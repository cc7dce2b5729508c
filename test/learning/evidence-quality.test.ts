import test from 'ava';
import fc from 'fast-check';
import type { NodeFlows, NodeLosses } from '../../controller/graph/graph-delta.ts';
import { evidenceQuality } from '../../controller/learning/evidence-quality.ts';
import { type NodeBeginning, nodeBeginnings } from '../../controller/learning/node-beginnings.ts';
import type { Cluster, Node } from '../../controller/model/cluster.ts';
import { buildCluster } from '../support/build-cluster.ts';
import { hourMs, minuteMs, mondayMs } from '../support/sightings.ts';

const binMs = 5 * minuteMs;
const hours = 240;
const span = { firstMs: mondayMs, lastMs: mondayMs + hours * hourMs };
const at = (hour: number) => mondayMs + hour * hourMs;

/** Of a node that was heard of in every bin between two hours. */
function reports(node: string, from: number, to: number): NodeFlows {
  const bins = Math.ceil(((to - from) * hourMs) / binMs);
  return {
    source: 'conntrack',
    node,
    flows: 100,
    firstMs: at(from),
    lastMs: at(to),
    binMs,
    runs: [{ startMs: at(from), bins }],
  };
}

interface Case {
  readonly flows: readonly NodeFlows[];
  readonly losses?: readonly NodeLosses[];
  readonly beginnings?: ReadonlyMap<string, NodeBeginning>;
  readonly windowHours?: number;
}

function found({ flows, losses = [], beginnings = new Map(), windowHours = 24 }: Case, node = 'new') {
  const terms = { loss: 0.01, sinceMs: span.lastMs - windowHours * hourMs };
  const window = { binMs, span, flows: [reports('old', 0, hours), ...flows], losses };
  return evidenceQuality(window, terms, beginnings)([node]);
}

const codes = (wanted: Case) => found(wanted).map(({ code }) => code);
const made = (hour: number) => new Map([['new', { knownMs: at(hour), made: true }]]);
const pod = (hour: number) => new Map([['new', { knownMs: at(hour), made: false }]]);

test('nothing is missing of a node from before it was made', (t) => {
  const flows = [reports('new', 238, hours)];
  t.deepEqual(codes({ flows, beginnings: made(238) }), []);
  t.deepEqual(codes({ flows, beginnings: made(200) }), ['silence']);
});

test('a node that was made lately and is not heard of yet is not observed', (t) => {
  t.deepEqual(codes({ flows: [], beginnings: made(239) }), ['unobserved-node']);
  t.deepEqual(codes({ flows: [], beginnings: made(hours + 1) }), ['unobserved-node']);
});

test('a node that existed and was silent says so with the time that it was judged for', (t) => {
  const [finding] = found({ flows: [reports('new', 236, hours)], beginnings: made(230) });
  t.is(finding?.message, 'node new reported nothing for 60% of the time since 2026-01-14T14:00:00.000Z');
});

test('a node that was heard of, or had a pod, before its object was made existed before', (t) => {
  const flows = [reports('new', 0, 1), reports('new', 238, hours)];
  t.deepEqual(codes({ flows, beginnings: made(238) }), ['silence']);
  const away: NodeLosses = {
    source: 'conntrack',
    node: 'new',
    sampling: 1,
    periods: [{ startMs: at(10), lost: 0, uncounted: 0, unavailable: 1 }],
  };
  t.deepEqual(codes({ flows: [reports('new', 238, hours)], losses: [away], beginnings: made(238) }), ['silence']);
});

test('where nobody knows when a node was made, it has to be watched for one window without a hole', (t) => {
  const flows = (hour: number) => [reports('new', hour, hours)];
  t.deepEqual(codes({ flows: flows(hours - 24) }), []);
  t.deepEqual(codes({ flows: flows(hours - 20) }), ['silence']);
  t.deepEqual(codes({ flows: flows(hours - 24), windowHours: 48 }), ['silence']);
});

test('where nobody knows when a node was made, a pod on it that is older than the reports shows that it existed', (t) => {
  const flows = [reports('new', hours - 24, hours)];
  t.deepEqual(codes({ flows, beginnings: pod(100) }), ['silence']);
  t.deepEqual(codes({ flows, beginnings: pod(hours - 24) }), []);
});

test('losses of a young node are compared with what it reported since it exists', (t) => {
  const lost = (events: number): NodeLosses => ({
    source: 'conntrack',
    node: 'new',
    sampling: 1,
    periods: [{ startMs: at(238), lost: events, uncounted: 0, unavailable: 0 }],
  });
  const flows = [reports('new', 238, hours)];
  t.deepEqual(codes({ flows, losses: [lost(1)], beginnings: made(238) }), []);
  t.deepEqual(codes({ flows, losses: [lost(2)], beginnings: made(238) }), ['loss']);
});

const someReports = fc
  .array(fc.tuple(fc.integer({ min: 0, max: hours - 1 }), fc.integer({ min: 1, max: 80 })), { maxLength: 5 })
  .map((parts) => parts.map(([from, length]) => reports('new', from, Math.min(hours, from + length))));
const someLosses = fc
  .array(fc.tuple(fc.integer({ min: 0, max: hours }), fc.integer({ min: 0, max: 9 })), { maxLength: 3 })
  .map((parts) =>
    parts.map(([hour, lost]): NodeLosses => {
      const periods = [{ startMs: at(hour), lost, uncounted: 0, unavailable: 0 }];
      return { source: 'hubble', node: 'new', sampling: 1, periods };
    }),
  );

test('the longer a node is known to have existed, the more is missing of it, and never less', (t) => {
  fc.assert(
    fc.property(
      someReports,
      someLosses,
      fc.integer({ min: -50, max: hours + 50 }),
      fc.integer({ min: 0, max: hours }),
      fc.integer({ min: 1, max: 2 * hours }),
      (flows, losses, hour, earlier, windowHours) => {
        const of = (beginnings: ReadonlyMap<string, NodeBeginning>) =>
          codes({ flows, losses, beginnings, windowHours });
        const young = of(made(hour));
        for (const older of [made(hour - earlier), pod(hour), pod(hour - earlier)]) {
          const more = of(older);
          t.deepEqual(
            young.filter((code) => !more.includes(code)),
            [],
          );
        }
      },
    ),
  );
});

const node = (name: string, createdMs: number | undefined): Node => ({
  name,
  labels: {},
  ips: [],
  hostIps: [],
  podCidrs: [],
  ...(createdMs !== undefined && { createdMs }),
});

function beginning(name: string, nodes: readonly Node[], startMs: number | undefined): NodeBeginning | undefined {
  const spec = { name: 'cart', labels: { app: 'cart' }, pods: [{ node: name, startMs }] };
  const cluster: Cluster = buildCluster([spec], { nodes });
  return nodeBeginnings(cluster).get(name);
}

test('a node began when it was made, or when the first pod on it began', (t) => {
  t.deepEqual(beginning('n1', [node('n1', at(5))], at(6)), { knownMs: at(5), made: true });
  t.deepEqual(beginning('n1', [node('n1', at(5))], at(4)), { knownMs: at(4), made: true });
  t.deepEqual(beginning('n1', [node('n1', at(5))], undefined), { knownMs: at(5), made: true });
});

test('of a node without an object, or one that does not say when it was made, only the pods on it tell', (t) => {
  for (const nodes of [[], [node('n1', undefined)]]) {
    t.deepEqual(beginning('n1', nodes, at(6)), { knownMs: at(6), made: false });
    t.deepEqual(beginning('n1', nodes, undefined), { knownMs: Number.NEGATIVE_INFINITY, made: false });
  }
  t.is(nodeBeginnings(buildCluster([{ name: 'cart', labels: {} }])).size, 0);
});
