import test from 'ava';
import fc from 'fast-check';
import { ChangedRows } from '../../controller/graph/changed-rows.ts';
import { RecentKeys } from '../../controller/graph/recent-keys.ts';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import { anySighting, minuteMs, mondayMs, peer, sighting, workload } from '../support/sightings.ts';

const newGraph = (saved = true) => new TrafficGraph({ binMs: 5 * minuteMs, saved });

test('marked rows are taken once, ascending, however many there are', (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 200_000 })), fc.array(fc.integer({ min: 0, max: 99 })), (a, b) => {
      const rows = new ChangedRows();
      for (const marked of [a, b, a]) {
        for (const row of marked) rows.mark(row);
        const expected = [...new Set(marked)].sort((x, y) => x - y);
        t.is(rows.size, expected.length);
        t.deepEqual([...rows.take()], expected);
        t.is(rows.size, 0);
      }
    }),
  );
});

test('changes hold what changed and nothing else, whole', (t) => {
  const graph = newGraph();
  graph.observe(sighting(), 'n1');
  graph.observe(sighting({ port: 9090 }), 'n2');
  t.is(graph.changedConnections, 2);
  t.deepEqual(graph.takeChanges().delta, graph.snapshot());
  t.deepEqual([graph.changedConnections, graph.takeChanges().delta.connections.length], [0, 0]);

  graph.observe(sighting({ clientPort: 50_000 }), 'n2');
  graph.loss({ timeMs: mondayMs, source: 'hubble', node: 'n2', events: 3, kind: 'lost' });
  const { delta } = graph.takeChanges();
  t.deepEqual(
    delta.connections.map(({ port, allowed }) => [port, allowed]),
    [[8080, 2]],
  );
  t.deepEqual(
    delta.flows.map(({ node, flows }) => [node, flows]),
    [['n2', 2]],
  );
  t.deepEqual(
    delta.losses.flatMap(({ periods }) => periods.map(({ lost }) => lost)),
    [3],
  );
});

test('a DNS name that is new for an address is a change without a connection', (t) => {
  const graph = newGraph();
  const outside = peer({ kind: 'external', address: '192.0.2.1' });
  graph.observe(sighting({ server: outside }));
  graph.takeChanges();
  graph.merge({
    version: 1,
    binMs: 5 * minuteMs,
    endpoints: [{ endpoint: outside.endpoint, dnsNames: ['api.example'] }],
    connections: [],
    flows: [],
    losses: [],
  });
  t.deepEqual(graph.takeChanges().delta.endpoints, [{ endpoint: outside.endpoint, dnsNames: ['api.example'] }]);
});

test('a graph that is restored goes on as if it had never stopped', (t) => {
  fc.assert(
    fc.property(fc.array(anySighting, { maxLength: 40 }), fc.array(anySighting, { maxLength: 40 }), (first, second) => {
      const whole = newGraph();
      for (const seen of [...first, ...second]) whole.observe(seen, 'n1');

      const before = newGraph();
      for (const seen of first) before.observe(seen, 'n1');
      const { delta, recent } = before.takeChanges();
      const after = newGraph();
      after.restore([delta], recent);
      t.is(after.changedConnections, 0);
      for (const seen of second) after.observe(seen, 'n1');
      t.deepEqual(after.snapshot(), whole.snapshot());
    }),
  );
});

test('the second report of a connection counts once, also after a restart and with other rows', (t) => {
  const before = newGraph();
  before.observe(sighting({ port: 1 }));
  before.observe(sighting());
  const { delta, recent } = before.takeChanges();
  const after = newGraph();
  after.restore([{ ...delta, connections: delta.connections.toReversed() }], recent);
  after.observe(sighting());
  after.observe(sighting({ clientPort: 50_000 }));
  t.deepEqual(
    [...after.connections()].map(({ port, evidence }) => [port, evidence.allowed]),
    [
      [1, 1],
      [8080, 2],
    ],
  );
});

test('nothing can be restored into a graph that has seen something', (t) => {
  const graph = newGraph();
  graph.observe(sighting({ client: peer(workload('web')) }));
  t.throws(() => graph.restore([], []), { instanceOf: RangeError });
});

test('what one set of recent keys added makes another one know the same, whenever it was taken', (t) => {
  const key = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 3 }));
  fc.assert(
    fc.property(fc.array(fc.array(key, { maxLength: 12 }), { maxLength: 6 }), fc.array(key), (before, after) => {
      const one = new RecentKeys(5, true);
      const taken = before.flatMap((keys) => {
        for (const [high, low] of keys) one.add(high, low);
        return one.takeAdded();
      });
      const other = new RecentKeys(5, true);
      other.restore(taken);
      for (const [high, low] of after) t.is(other.add(high, low), one.add(high, low));
    }),
  );
});
