import test from 'ava';
import { displayedGraph } from '../../../../controller/adapters/http/page/drawing/displayed-graph.ts';
import type { ConnectionState, GraphEdge, GraphNode } from '../../../../controller/view/graph-shape.ts';

function workload(namespace: string, name: string): GraphNode {
  const attributes = { label: name, kind: 'workload', namespace, of: 'Deployment', workloads: 1 } as const;
  return { key: `workload:${namespace}/Deployment/${name}`, attributes };
}

function edge(source: GraphNode, target: GraphNode, states: Partial<Record<ConnectionState, number>>): GraphEdge {
  const [state = 'seen'] = Object.keys(states) as ConnectionState[];
  const connections = Object.values(states).reduce((sum, count) => sum + count, 0);
  return {
    source: source.key,
    target: target.key,
    attributes: { state, states, ports: 'TCP 80', connections, passed: 1, denied: 0 },
  };
}

const [web, cart, redis] = [workload('shop', 'web'), workload('shop', 'cart'), workload('data', 'redis')];
const outside: GraphNode = {
  key: 'external:203.0.113.1',
  attributes: { label: '203.0.113.1', kind: 'external', namespace: '', of: 'address', workloads: 0 },
};
const nodes = [web, cart, redis, outside];
const edges = [
  edge(web, cart, { seen: 1 }),
  edge(web, redis, { seen: 2 }),
  edge(cart, redis, { enforced: 1, 'held-back': 3 }),
  edge(outside, web, { denied: 1 }),
];

test('a closed group stands for its members, and what they do with each other is not drawn', (t) => {
  const { nodes: drawn, edges: lines } = displayedGraph({ nodes, edges }, ({ key }) => key === 'namespace:data');
  t.deepEqual([...drawn.keys()].sort(), ['external', 'namespace:shop', redis.key]);
  t.deepEqual(
    lines.map(({ source, target, state, connections }) => [source, target, state, connections]),
    [
      ['namespace:shop', redis.key, 'enforced', 1],
      ['namespace:shop', redis.key, 'seen', 2],
      ['namespace:shop', redis.key, 'held-back', 3],
      ['external', 'namespace:shop', 'denied', 1],
    ],
  );
});

test('with all groups open every pair has a line for each of its states', (t) => {
  const { edges: lines, groups } = displayedGraph({ nodes, edges }, () => true);
  t.is(lines.length, 5);
  t.deepEqual(
    [...groups].map(([key, { size }]) => [key, size]),
    [
      ['external', 1],
      ['namespace:data', 1],
      ['namespace:shop', 2],
    ],
  );
});

test('a namespace that the server told of as a whole cannot be opened here', (t) => {
  const whole: GraphNode = {
    key: 'namespace:shop',
    attributes: { label: 'shop', kind: 'namespace', namespace: 'shop', of: '', workloads: 12 },
  };
  const graph = displayedGraph({ nodes: [whole, redis], edges: [edge(whole, redis, { seen: 1 })] }, () => true);
  t.deepEqual([...graph.open], ['namespace:data']);
  t.is(graph.groups.get('namespace:shop')?.size, 12);
  t.deepEqual([...graph.nodes.keys()].sort(), ['namespace:shop', redis.key]);
});

test('of very many pairs each is one line, in its most urgent state', (t) => {
  const many = Array.from({ length: 1600 }, (_, i) => workload('shop', `w${i}`));
  const pairs = many.map((each) => edge(each, redis, { seen: 1, 'would-be-denied': 1 }));
  const { edges: lines } = displayedGraph({ nodes: [...many, redis], edges: pairs }, () => true);
  t.is(lines.length, 1600);
  t.true(lines.every(({ state }) => state === 'would-be-denied'));
});
