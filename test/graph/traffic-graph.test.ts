import test from 'ava';
import fc from 'fast-check';
import type { GraphDelta } from '../../controller/graph/graph-delta.ts';
import { decodeSnapshot, encodeSnapshot } from '../../controller/graph/snapshot.ts';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import { endpointId } from '../../controller/model/endpoint.ts';
import type { FlowLoss } from '../../controller/model/flow.ts';
import type { AttributedPeer, Sighting } from '../../controller/model/sighting.ts';
import { workloadKey } from '../../controller/model/workload.ts';
import { anySighting, hourMs, minuteMs, mondayMs, peer, sighting, workload } from '../support/sightings.ts';

const binMs = 5 * minuteMs;
const web = workloadKey({ namespace: 'shop', kind: 'Deployment', name: 'web' });

function graphOf(...sightings: readonly Sighting[]): TrafficGraph {
  const graph = new TrafficGraph({ binMs });
  for (const seen of sightings) graph.observe(seen, 'n1');
  return graph;
}

function merged(...deltas: readonly GraphDelta[]): TrafficGraph {
  const graph = new TrafficGraph({ binMs });
  for (const delta of deltas) graph.merge(delta);
  return graph;
}

function text(graph: TrafficGraph): string {
  return [...encodeSnapshot(graph.snapshot())].join('');
}

function restored(snapshot: string): TrafficGraph {
  const delta = decodeSnapshot(snapshot.trimEnd().split('\n'));
  if ('code' in delta) throw new Error(delta.message);
  return merged(delta);
}

function only(graph: TrafficGraph) {
  const connections = [...graph.connections()];
  if (connections.length !== 1) throw new Error(`${connections.length} connections`);
  return (connections[0] as (typeof connections)[0]).evidence;
}

const anyLoss: fc.Arbitrary<FlowLoss> = fc.record({
  timeMs: fc.constant(mondayMs),
  source: fc.constantFrom('hubble', 'conntrack'),
  node: fc.constantFrom('', 'n1', 'n2'),
  events: fc.constantFrom(undefined, 3, 50),
  kind: fc.constantFrom('lost', 'unavailable', 'sampled'),
});

test('the order of flows leaves no trace in the graph', (t) => {
  const anyOrder = fc
    .array(anySighting, { maxLength: 60 })
    .chain((flows) => fc.tuple(fc.constant(flows), fc.shuffledSubarray(flows, { minLength: flows.length })));
  fc.assert(
    fc.property(anyOrder, ([flows, shuffled]) => {
      t.is(text(graphOf(...shuffled)), text(graphOf(...flows)));
    }),
  );
});

test('deltas merge in any order and grouping to the same bytes', (t) => {
  const anyGraph = fc.tuple(fc.array(anySighting, { maxLength: 30 }), fc.array(anyLoss, { maxLength: 3 }));
  fc.assert(
    fc.property(fc.tuple(anyGraph, anyGraph, anyGraph), (parts) => {
      const [a, b, c] = parts.map(([flows, losses]) => {
        const graph = graphOf(...flows);
        for (const loss of losses) graph.loss(loss);
        return graph.snapshot();
      }) as [GraphDelta, GraphDelta, GraphDelta];
      const all = text(merged(a, b, c));
      t.is(text(merged(c, a, b)), all);
      t.is(text(merged(a, merged(b, c).snapshot())), all);
      t.is(text(merged(merged(c, a).snapshot(), b)), all);
    }),
  );
});

test('a snapshot restores byte for byte', (t) => {
  fc.assert(
    fc.property(fc.array(anySighting, { maxLength: 60 }), fc.array(anyLoss, { maxLength: 5 }), (flows, losses) => {
      const graph = graphOf(...flows);
      for (const loss of losses) graph.loss(loss);
      const snapshot = text(graph);
      const again = restored(snapshot);
      t.is(text(again), snapshot);
      t.deepEqual([...again.connections()], [...graph.connections()]);
      t.deepEqual(again.observation(), graph.observation());
    }),
  );
});

test('evidence without repeated connections is the sum of its parts', (t) => {
  const anyFlows = fc.array(
    anySighting.map((seen) => ({ ...seen, clientPort: 0 })),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(anyFlows, anyFlows, (a, b) => {
      t.is(text(merged(graphOf(...a).snapshot(), graphOf(...b).snapshot())), text(graphOf(...a, ...b)));
    }),
  );
});

test('the same connections seen twice keep their bins, replicas and span', (t) => {
  fc.assert(
    fc.property(fc.array(anySighting, { maxLength: 40 }), (flows) => {
      const once = [...graphOf(...flows).connections()];
      const twice = [...graphOf(...flows, ...flows).connections()];
      const idempotent = ({ evidence, ...rest }: (typeof once)[0]) => ({
        ...rest,
        evidence: { ...evidence, allowed: 0, denied: 0, audited: 0 },
      });
      t.deepEqual(twice.map(idempotent), once.map(idempotent));
    }),
  );
});

test('incidences are exact while bins are fine, and never more than the bins seen', (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 2000 }), { minLength: 1, maxLength: 120 }), (bins) => {
      const evidence = only(graphOf(...bins.map((bin) => sighting({ timeMs: mondayMs + bin * binMs }))));
      const distinct = new Set(bins).size;
      t.true(evidence.incidences <= distinct);
      t.true(evidence.incidences >= Math.min(distinct, 9));
      if (evidence.binMs === binMs) t.is(evidence.incidences, distinct);
    }),
  );
});

test('one connection that two nodes report counts once', (t) => {
  const graph = new TrafficGraph({ binMs });
  graph.observe(sighting(), 'n1');
  graph.observe(sighting({ timeMs: mondayMs + 3, source: 'conntrack' }), 'n2');
  t.is(only(graph).allowed, 1);
  t.deepEqual(only(graph).sources, ['hubble', 'conntrack']);
});

test('the report of a client that knows only the Service counts once with that of the server', (t) => {
  const viaService = sighting({ server: peer(workload('db'), 0) });
  t.is(only(graphOf(viaService, sighting({ server: peer(workload('db'), 7) }))).allowed, 1);
});

test('two ports of a client, two pods of it and two time bins are connections of their own', (t) => {
  t.is(only(graphOf(sighting(), sighting({ clientPort: 40_001 }))).allowed, 2);
  t.is(only(graphOf(sighting(), sighting({ client: peer(workload('web'), 2) }))).allowed, 2);
  t.is(only(graphOf(sighting(), sighting({ timeMs: mondayMs + binMs }))).allowed, 2);
});

test('clients without a pod are told apart by their address', (t) => {
  const client = peer({ kind: 'external', address: 'world' }, 0);
  const from = (clientIp: string) => sighting({ client, clientIp });
  t.is(only(graphOf(from('192.0.2.1'), from('192.0.2.2'), from('192.0.2.1'))).allowed, 2);
});

test('a record without a client port counts what it stands for, each time', (t) => {
  t.is(
    only(graphOf(sighting({ clientPort: 0, connections: 5 }), sighting({ clientPort: 0, connections: 2 }))).allowed,
    7,
  );
});

test('bytes of one connection count once, whichever report carries them', (t) => {
  const graph = graphOf(sighting(), sighting({ bytes: 900 }), sighting({ bytes: 900 }));
  t.is(only(graph).bytes, 900);
});

test('a denied attempt is kept beside what passed', (t) => {
  const evidence = only(graphOf(sighting({ verdict: 'denied' }), sighting(), sighting({ verdict: 'audited' })));
  t.like(evidence, { allowed: 1, denied: 1, audited: 1 });
});

test('answered: one answer outweighs any number of silences, and silence outweighs not knowing', (t) => {
  t.is(only(graphOf(sighting())).answered, 'unknown');
  t.is(only(graphOf(sighting({ answered: false }), sighting())).answered, 'no');
  t.is(only(graphOf(sighting({ answered: true }), sighting({ answered: false }))).answered, 'yes');
});

test('replicas are counted up to the limit', (t) => {
  const from = (replica: number) => sighting({ client: peer(workload('web'), replica) });
  t.is(only(graphOf(from(11), from(12), from(11))).clientReplicas, 2);
  t.is(only(graphOf(from(11), from(12), from(13), from(14))).clientReplicas, 3);
});

test('protocols and directions are part of a connection', (t) => {
  const graph = graphOf(
    sighting({ port: 53 }),
    sighting({ port: 53, protocol: 17 }),
    sighting({ port: 53, directed: false }),
  );
  t.deepEqual(
    graph.connectionsOf(web).map(({ id }) => id.slice(id.indexOf('cart') + 4)),
    [':TCP/53', ':UDP/53', ':TCP/53'],
  );
  t.is(graph.graph.size, 1);
});

test('a workload has its connections of both directions, a self connection once, ascending by id', (t) => {
  const graph = graphOf(
    sighting(),
    sighting({ client: peer(workload('cart')), server: peer(workload('web')) }),
    sighting({ server: peer(workload('web')) }),
    sighting({ server: peer(workload('pay')), client: peer(workload('cart')) }),
  );
  const ids = graph.connectionsOf(web).map(({ id }) => id);
  t.is(ids.length, 3);
  t.deepEqual(ids, [...ids].sort());
  t.deepEqual(graph.connectionsOf(workloadKey({ namespace: 'shop', kind: 'Deployment', name: 'none' })), []);
});

test('the graph has endpoints as nodes and leads from edges to their connections', (t) => {
  const graph = graphOf(sighting(), sighting({ port: 9090 }), sighting({ server: peer(workload('pay')) }));
  t.deepEqual(graph.graph.nodes().sort(), graph.endpoints().map(endpointId));
  t.is(graph.graph.getNodeAttribute(endpointId(workload('web')), 'kind'), 'workload');
  const edges = graph.graph.edges().flatMap((edge) => graph.connectionsOfEdge(edge));
  t.is(edges.length, graph.size);
});

test('the first eight DNS names of an external endpoint are kept, and none of others', (t) => {
  const names = 'jihgfedcba'.split('').map((letter) => `${letter}.example`);
  const external = { kind: 'external', address: '192.0.2.1' } as const;
  const graph = graphOf(
    ...names.map((name) => sighting({ server: peer(external, 0), serverDnsNames: [name] })),
    sighting({ serverDnsNames: ['cart.example'] }),
  );
  t.deepEqual(graph.dnsNamesOf(external), names.sort().slice(0, 8));
  t.deepEqual(graph.dnsNamesOf(workload('cart')), []);
});

test('the window runs from the first flow to the end of the last, per node and source', (t) => {
  const graph = new TrafficGraph({ binMs });
  t.is(graph.observation().span, undefined);
  graph.observe(sighting({ timeMs: mondayMs + hourMs }), 'n1');
  graph.observe(sighting({ timeMs: mondayMs, endMs: mondayMs + 2 * hourMs }), 'n2');
  graph.loss({ timeMs: mondayMs, source: 'hubble', node: 'n2', events: undefined, kind: 'lost' });
  const { span, flows, losses } = graph.observation();
  t.deepEqual(span, { firstMs: mondayMs, lastMs: mondayMs + 2 * hourMs });
  t.deepEqual(
    flows.map(({ node, flows: count }) => [node, count]),
    [
      ['n1', 1],
      ['n2', 1],
    ],
  );
  t.like(losses[0], { node: 'n2', periods: [{ startMs: mondayMs, lost: 0, uncounted: 1, unavailable: 0 }] });
});

test('whoever begins to observe a node that was observed before has missed something, and nobody knows how much', (t) => {
  const graph = new TrafficGraph({ binMs });
  const start = (hour: number, node: string) => {
    graph.loss({ timeMs: mondayMs + hour * hourMs, source: 'conntrack', node, events: undefined, kind: 'started' });
    const losses = graph.observation().losses.filter((loss) => loss.node === node);
    return losses.flatMap(({ periods }) => periods.map(({ startMs, uncounted }) => [startMs, uncounted]));
  };
  t.deepEqual(start(1, 'n1'), []);
  t.deepEqual(start(2, 'n1'), [[mondayMs + 2 * hourMs, 1]], 'also where nothing was to be seen meanwhile');
  graph.observe(sighting({ timeMs: mondayMs, source: 'conntrack' }), 'n2');
  t.deepEqual(start(3, 'n2'), [[mondayMs + 3 * hourMs, 1]]);
  const restored = new TrafficGraph({ binMs });
  restored.merge(graph.snapshot());
  restored.loss({ timeMs: mondayMs, source: 'conntrack', node: 'n1', events: undefined, kind: 'started' });
  const [first] = restored.observation().losses;
  t.is(first?.periods.length, 2, 'whoever takes over knows it too');
});

test('losses are kept by the hour, and of very many hours the oldest are told as later ones', (t) => {
  const graph = new TrafficGraph({ binMs });
  const lose = (hour: number, minute: number) =>
    graph.loss({ timeMs: mondayMs + hour * hourMs + minute, source: 'hubble', node: 'n1', events: 2, kind: 'lost' });
  for (let hour = 1004; hour >= 0; hour--) lose(hour, 5);
  lose(3, 6);
  const [first, second, ...others] = graph.observation().losses[0]?.periods ?? [];
  t.deepEqual([first?.startMs, first?.lost], [mondayMs + 5 * hourMs, 14]);
  t.deepEqual([second?.startMs, second?.lost], [mondayMs + 6 * hourMs, 2]);
  t.is(others.length, 998);
});

test('evidence in bins of another width is refused', (t) => {
  const delta = new TrafficGraph({ binMs: hourMs }).snapshot();
  t.throws(() => merged(delta), { instanceOf: RangeError, message: /3600000 ms/ });
});

test('a snapshot that is cut off, broken or of another version is a problem, not half a graph', (t) => {
  const lines = text(graphOf(sighting())).trimEnd().split('\n');
  const [header = '', ...rest] = lines;
  for (const broken of [
    [],
    lines.slice(0, -1),
    [...lines, '{}'],
    [header, '{', ...rest],
    [header.replace('"version":1', '"version":2'), ...rest],
    ['[]'],
  ]) {
    t.like(decodeSnapshot(broken), { code: 'SnapshotUnreadable' });
  }
});

test('a try that failed, told by a source without verdicts, is shown and is no evidence', (t) => {
  const tried = only(graphOf(sighting({ source: 'inspektor-gadget', verdict: 'none', answered: false })));
  t.deepEqual([tried.allowed, tried.denied, tried.answered], [0, 0, 'no']);
  const passed = only(graphOf(sighting({ source: 'inspektor-gadget', verdict: 'none' })));
  t.is(passed.allowed, 1);
});

test('undirected records on ephemeral ports are one connection, however many there are', (t) => {
  const replies = [40_001, 40_002, 50_003].map((port) => sighting({ directed: false, port }));
  t.deepEqual(
    [...graphOf(...replies).connections()].map(({ port }) => port),
    [0],
  );
  t.is([...graphOf(...replies.map((reply) => ({ ...reply, directed: true }))).connections()].length, 3);
});

test('whether a node reached pods on itself or on others is kept, and merged in any order', (t) => {
  const pod: AttributedPeer = { ...peer(workload('cart'), 7), node: 'n1' };
  const from = (name: string, server = pod) => sighting({ client: peer({ kind: 'node', name }, 0), server });
  const nodeOf = (...seen: readonly Sighting[]) => only(graphOf(...seen)).clientNode;
  t.is(nodeOf(from('n1')), 'own');
  t.is(nodeOf(from('n2')), 'other');
  t.is(nodeOf(from('n1'), from('n1', { ...pod, node: 'n2' })), 'other');
  t.is(nodeOf(from('n1', peer(workload('cart'), 7))), 'unknown');
  const own = graphOf(from('n1')).snapshot();
  const other = graphOf(from('n1', { ...pod, node: 'n2' })).snapshot();
  t.is(only(merged(own, other)).clientNode, 'other');
  t.is(text(merged(own, other)), text(merged(other, own)));
});
