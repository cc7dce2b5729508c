import test from 'ava';
import fc from 'fast-check';
import { displayedGraph } from '../../../../controller/adapters/http/page/drawing/displayed-graph.ts';
import type { Layout, Point } from '../../../../controller/adapters/http/page/drawing/layout.ts';
import { Places } from '../../../../controller/adapters/http/page/drawing/places.ts';
import type { GraphNode } from '../../../../controller/view/graph-shape.ts';

/** Leaves everything where it was put first: places have to be good also where a layout does nothing. */
const still: Layout = {
  run: async (nodes) => new Map(nodes.map(({ key, x, y }): [string, Point] => [key, { x, y }])),
};

function workload(namespace: string, name: string): GraphNode {
  const attributes = { label: name, kind: 'workload', namespace, of: 'Deployment', workloads: 1 } as const;
  return { key: `workload:${namespace}/Deployment/${name}`, attributes };
}

const outside: GraphNode = {
  key: 'external:203.0.113.1',
  attributes: { label: '203.0.113.1', kind: 'external', namespace: '', of: 'address', workloads: 0 },
};

const cluster = fc
  .dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.integer({ min: 1, max: 40 }), { minKeys: 1 })
  .map((sizes) => {
    const inside = Object.entries(sizes).flatMap(([namespace, size]) =>
      Array.from({ length: size }, (_, i) => workload(namespace, `w${i}`)),
    );
    return [...inside, outside];
  });

function drawn(nodes: readonly GraphNode[]) {
  return displayedGraph({ nodes, edges: [] }, () => true);
}

test('groups lie apart from each other, and members in their group', async (t) => {
  await fc.assert(
    fc.asyncProperty(cluster, async (nodes) => {
      const places = new Places(still);
      const graph = drawn(nodes);
      await places.complete(graph, []);
      const discs = [...graph.groups.keys()].map((key) => ({ key, disc: places.discOf(key) }));
      for (const [i, { key, disc }] of discs.entries()) {
        if (disc === undefined) return t.fail(`${key} has no place`);
        for (const { disc: other } of discs.slice(i + 1)) {
          if (other === undefined) return t.fail('a group has no place');
          t.true(Math.hypot(disc.x - other.x, disc.y - other.y) > disc.radius + other.radius);
        }
      }
      for (const { key, group } of graph.nodes.values()) {
        const [point, disc] = [places.pointOf(key), places.discOf(group)];
        if (point === undefined || disc === undefined) return t.fail(`${key} has no place`);
        t.true(Math.hypot(point.x - disc.x, point.y - disc.y) <= disc.radius);
      }
    }),
    { numRuns: 40 },
  );
});

test('what has a place keeps it, whatever comes in', async (t) => {
  await fc.assert(
    fc.asyncProperty(cluster, cluster, async (first, more) => {
      const places = new Places(still);
      await places.complete(drawn(first), []);
      const before = first.map(({ key }) => places.pointOf(key));
      const all = drawn([...new Map([...first, ...more].map((node) => [node.key, node])).values()]);
      await places.complete(all, []);
      t.deepEqual(
        first.map(({ key }) => places.pointOf(key)),
        before,
      );
      for (const key of all.nodes.keys()) {
        const point = places.pointOf(key);
        t.true(point !== undefined && Number.isFinite(point.x) && Number.isFinite(point.y));
      }
    }),
    { numRuns: 40 },
  );
});

test('a newcomer is put beside those that it talks to', async (t) => {
  const places = new Places(still);
  const first = Array.from({ length: 30 }, (_, i) => workload('shop', `w${i}`));
  await places.complete(drawn(first), []);
  const [peer] = first;
  const newcomer = workload('shop', 'new');
  if (peer === undefined) return t.fail('no peer');
  const attributes = { state: 'seen', ports: 'TCP 80', connections: 1, passed: 1, denied: 0 } as const;
  const nodes = [...first, newcomer];
  const edges = [{ source: newcomer.key, target: peer.key, attributes }];
  await places.complete(
    displayedGraph({ nodes, edges }, () => true),
    [],
  );
  const [at, beside] = [places.pointOf(newcomer.key), places.pointOf(peer.key)];
  if (at === undefined || beside === undefined) return t.fail('no place');
  const distance = (key: string) => {
    const point = places.pointOf(key) ?? { x: 0, y: 0 };
    return Math.hypot(point.x - at.x, point.y - at.y);
  };
  const nearer = first.filter(({ key }) => distance(key) < distance(peer.key));
  t.true(nearer.length < 8, `${nearer.length} others are nearer`);
});
