import test from 'ava';
import fc from 'fast-check';
import { graphViewSchema } from '../../controller/adapters/http/api/graph-schemas.ts';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import { type Endpoint } from '../../controller/model/endpoint.ts';
import type { WorkloadKey } from '../../controller/model/workload.ts';
import { ConnectionStates } from '../../controller/view/connection-states.ts';
import type { ConnectionJudge } from '../../controller/view/connection-judge.ts';
import { GraphChanges } from '../../controller/view/graph-change.ts';
import type { GraphFilter } from '../../controller/view/graph-filter.ts';
import { type ConnectionState, connectionStates, type GraphView } from '../../controller/view/graph-shape.ts';
import type { NodeScope } from '../../controller/view/graph-nodes.ts';
import { graphText } from '../../controller/view/graph-text.ts';
import { type GraphWorld, matchingNodes } from '../../controller/view/graph-view.ts';
import { TextRoom } from '../../controller/view/text-room.ts';
import { minuteMs, mondayMs, peer, sighting, workload } from '../support/sightings.ts';

const endpoints: readonly Endpoint[] = [
  workload('web'),
  workload('cart'),
  workload('db', 'data'),
  workload('vault', 'secret'),
  workload('"><script>', 'data'),
  { kind: 'node', name: 'a' },
  { kind: 'node', name: 'b' },
  { kind: 'service', namespace: 'default', name: 'kubernetes' },
  { kind: 'service', namespace: 'secret', name: 'old' },
  { kind: 'external', address: '203.0.113.7' },
  { kind: 'external', address: '198.51.100.9' },
  { kind: 'unknown', reason: 'no-owner', address: '10.0.0.9' },
];

const seen = fc.array(
  fc.record({
    client: fc.nat(endpoints.length - 1),
    server: fc.nat(endpoints.length - 1),
    port: fc.constantFrom(53, 80, 443, 8080),
    protocol: fc.constantFrom(6, 17),
    minute: fc.nat(30),
    verdict: fc.constantFrom('allowed' as const, 'denied' as const, 'audited' as const),
    directed: fc.boolean(),
  }),
  { maxLength: 40 },
);
type Seen = typeof seen extends fc.Arbitrary<infer Value> ? Value : never;

/** Stands for a judge, whose own tests are elsewhere: any state for any connection, always the same. */
const judge = {
  judge: ({ port, passed }: { port: number; passed: boolean }) => ({
    state: (passed ? connectionStates[port % 3] : 'denied') as ConnectionState,
    because: '',
  }),
} as unknown as ConnectionJudge;

function observe(graph: TrafficGraph, flows: Seen): void {
  for (const { client, server, minute, ...rest } of flows) {
    const timeMs = mondayMs + minute * minuteMs;
    const [from, to] = [endpoints[client] as Endpoint, endpoints[server] as Endpoint];
    graph.observe(sighting({ ...rest, client: peer(from), server: peer(to), timeMs, endMs: timeMs, clientPort: 0 }));
  }
}

function worldOf(flows: Seen): GraphWorld {
  const graph = new TrafficGraph({ binMs: minuteMs });
  observe(graph, flows);
  const workloads = endpoints.flatMap((each) => (each.kind === 'workload' ? [each.workload] : [])).sort();
  return {
    graph,
    states: new ConnectionStates(graph, judge),
    workloads: workloads as WorkloadKey[],
    granted: [],
    facts: {
      proposals: new Map(),
      proposalStates: new Map(),
      workloadsIn: new Map([
        ['shop', 2],
        ['data', 2],
        ['secret', 1],
      ]),
      networks: [{ name: 'office', cidrs: ['198.51.100.0/24'] }],
      isExempt: () => false,
      dnsNamesOf: (endpoint) => graph.dnsNamesOf(endpoint),
      addresses: 2,
    },
  };
}

const everything: NodeScope = { level: 'workload', expanded: new Set(), maySee: () => true };

function textOf(world: GraphWorld, scope: NodeScope, filter: GraphFilter): string {
  const room = new TextRoom();
  for (const _ of graphText(world, scope, filter, 'e-1', room)) continue;
  return new TextDecoder().decode(room.written);
}

const view = (world: GraphWorld, scope = everything, filter: GraphFilter = {}): GraphView =>
  JSON.parse(textOf(world, scope, filter)) as GraphView;

test('at every level the sums over all edges are the sums over all connections', (t) => {
  fc.assert(
    fc.property(seen, fc.subarray(['shop', 'data', 'secret']), (flows, expanded) => {
      const world = worldOf(flows);
      const connections = [...world.graph.connections()];
      const sum = (pick: (each: (typeof connections)[number]) => number) =>
        connections.reduce((all, each) => all + pick(each), 0);
      for (const level of ['workload', 'namespace'] as const) {
        const made = view(world, { level, expanded: new Set(expanded), maySee: () => true });
        t.true(graphViewSchema.safeParse(made).success);
        const total = (pick: (attributes: GraphView['edges'][number]['attributes']) => number) =>
          made.edges.reduce((all, { attributes }) => all + pick(attributes), 0);
        t.is(
          total((edge) => edge.connections),
          connections.length,
        );
        t.is(
          total((edge) => edge.passed),
          sum(({ evidence }) => evidence.allowed + evidence.audited),
        );
        t.is(
          total((edge) => edge.denied),
          sum(({ evidence }) => evidence.denied),
        );
        t.is(made.attributes.connections, connections.length);
        const pairs = made.edges.map(({ source, target }) => `${source} ${target}`);
        t.is(new Set(pairs).size, pairs.length);
        const keys = new Set(made.nodes.map(({ key }) => key));
        t.true(made.edges.every(({ source, target }) => keys.has(source) && keys.has(target)));
        for (const { attributes } of made.edges) {
          const states = attributes.states ?? { [attributes.state]: attributes.connections };
          t.is(
            Object.values(states).reduce((all, count) => all + count, 0),
            attributes.connections,
          );
          const most = Object.keys(states).map((state) => connectionStates.indexOf(state as ConnectionState));
          t.is(connectionStates.indexOf(attributes.state), Math.max(...most));
        }
      }
    }),
    { numRuns: 60 },
  );
});

test('nothing of a namespace that may not be seen is in the text, not even its name', (t) => {
  fc.assert(
    fc.property(seen, fc.constantFrom('workload' as const, 'namespace' as const), (flows, level) => {
      const world = worldOf(flows);
      const scope: NodeScope = { level, expanded: new Set(['secret']), maySee: (name) => name !== 'secret' };
      t.notRegex(textOf(world, scope, {}), /secret|vault|old/);
      t.notRegex(textOf(world, scope, { namespaces: new Set(['secret']) }), /secret|vault|old/);
      const rows = Array.from({ length: world.graph.size }, (_, row) => row);
      t.notRegex(JSON.stringify(new GraphChanges().of(world, rows, scope.maySee) ?? ''), /secret|vault|old/);
      for (const word of ['vault', 'sec', 'old', 'a'])
        t.notRegex(JSON.stringify(matchingNodes(world, scope, word, 50)), /secret|vault|old/);
    }),
    { numRuns: 60 },
  );
});

test('with filters there is what fits them, and the rest is counted', (t) => {
  fc.assert(
    fc.property(seen, fc.nat(30), fc.nat(30), fc.subarray([6, 17], { minLength: 1 }), (flows, a, b, protocols) => {
      const world = worldOf(flows);
      const [sinceMs, untilMs] = [Math.min(a, b), Math.max(a, b)].map((minute) => mondayMs + minute * minuteMs) as [
        number,
        number,
      ];
      const wanted = [...world.graph.connections()].filter(
        ({ protocol, evidence, source, destination }) =>
          protocols.includes(protocol) &&
          evidence.bins.some((start) => start <= untilMs && start + evidence.binMs > sinceMs) &&
          [source, destination].some((end) => end.kind === 'workload' && end.workload.startsWith('shop/')),
      );
      const filter = { sinceMs, untilMs, protocols: new Set(protocols), namespaces: new Set(['shop']) };
      const made = view(world, everything, filter);
      t.is(made.attributes.connections, wanted.length);
      t.is(made.attributes.connections + made.attributes.leftOut, world.graph.size);
    }),
    { numRuns: 80 },
  );
});

test('changed edges are what the graph says of them, and no others', (t) => {
  fc.assert(
    fc.property(seen, seen, fc.array(fc.nat(40), { maxLength: 5 }), (flows, later, picks) => {
      const world = worldOf(flows);
      const changes = new GraphChanges();
      if (flows.length > 0) changes.of(world, [0], everything.maySee);
      observe(world.graph, later);
      const rows = picks.filter((row) => row < world.graph.size);
      const change = changes.of(world, rows, everything.maySee);
      if (rows.length === 0) return void t.is(change, undefined);
      for (const [level, edges] of [
        ['workload', change?.edges],
        ['namespace', change?.namespaceEdges],
      ] as const) {
        const all = new Map(
          view(world, { ...everything, level }).edges.map((edge) => [`${edge.source} ${edge.target}`, edge]),
        );
        for (const edge of edges ?? []) t.deepEqual(edge, all.get(`${edge.source} ${edge.target}`));
      }
    }),
    { numRuns: 60 },
  );
});

test('addresses in a named network are that network; without flows a workload is there all the same', (t) => {
  const made = view(
    worldOf([{ client: 0, server: 10, port: 443, protocol: 6, minute: 1, verdict: 'allowed', directed: true }]),
  );
  t.like(made.edges, { 0: { source: 'workload:shop/Deployment/web', target: 'network:office' } });
  t.true(made.nodes.some(({ key }) => key === 'workload:secret/Deployment/vault'));
});
