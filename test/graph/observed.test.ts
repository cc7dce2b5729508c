import test from 'ava';
import fc from 'fast-check';
import { decodeSnapshot, encodeSnapshot } from '../../controller/graph/snapshot.ts';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import type { ObservedTime } from '../../controller/model/flow.ts';
import type { Sighting } from '../../controller/model/sighting.ts';
import { anySighting, dayMs, hourMs, minuteMs, mondayMs, sighting } from '../support/sightings.ts';

const binMs = 5 * minuteMs;
const alive = (fromMs: number, toMs = fromMs + minuteMs, node = 'n1'): ObservedTime => ({
  source: 'conntrack',
  node,
  fromMs,
  toMs,
});

const anyAlive = fc
  .tuple(fc.integer({ min: 0, max: 3 * 24 * 60 }), fc.integer({ min: 0, max: 60 }), fc.constantFrom('n1', 'n2'))
  .map(([minute, length, node]) => alive(mondayMs + minute * minuteMs, mondayMs + (minute + length) * minuteMs, node));
const anyReport = fc.oneof(fc.tuple(anySighting, fc.constantFrom('n1', 'n2', '')), anyAlive);

/** Of reports in their order; what was only observed is left out where it is not wanted. */
function graphOf(reports: readonly (readonly [Sighting, string] | ObservedTime)[], withObserved = true): TrafficGraph {
  const graph = new TrafficGraph({ binMs });
  for (const report of reports) {
    if ('source' in report) {
      if (withObserved) graph.observed(report);
    } else graph.observe(report[0], report[1]);
  }
  return graph;
}

const text = (graph: TrafficGraph) => [...encodeSnapshot(graph.snapshot())].join('');

test('that a node was observed adds no connection, changes none, and makes the window no longer', (t) => {
  fc.assert(
    fc.property(fc.array(anyReport, { maxLength: 60 }), (reports) => {
      const [told, plain] = [graphOf(reports), graphOf(reports, false)];
      t.deepEqual([...told.connections()], [...plain.connections()]);
      t.deepEqual(told.observation().span, plain.observation().span);
      const flows = told.observation().flows.reduce((sum, one) => sum + one.flows, 0);
      t.is(flows, reports.filter((one) => !('source' in one)).length);
    }),
  );
});

test("the server's node is believed as before while nothing but its being observed is heard of the client's", (t) => {
  const sum = (timeMs: number): Sighting =>
    sighting({ timeMs, source: 'conntrack', clientPort: 0, client: { ...sighting().client, node: 'n1' } });
  const times = fc.array(fc.tuple(fc.integer({ min: 0, max: 60 }), fc.constantFrom('n1', 'n2', 'alive')), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(times, fc.boolean(), (reports, folded) => {
      const of = (withObserved: boolean) => {
        const graph = new TrafficGraph({ binMs });
        // after some two weeks the bins of a node are hours
        if (folded) {
          for (let bin = 1; bin <= 4100; bin++) graph.observe(sum(mondayMs - bin * binMs), 'n1');
        }
        for (const [minute, what] of reports) {
          const timeMs = mondayMs + minute * minuteMs;
          if (what !== 'alive') graph.observe(sum(timeMs), what);
          else if (withObserved) graph.observed(alive(timeMs));
        }
        return [...graph.connections()].map(({ evidence }) => evidence.allowed);
      };
      t.deepEqual(of(true), of(false));
    }),
    { numRuns: 40 },
  );
});

test('what was observed is kept with the evidence, and merges in any order', (t) => {
  fc.assert(
    fc.property(fc.array(anyReport, { maxLength: 20 }), fc.array(anyReport, { maxLength: 20 }), (a, b) => {
      const [one, other] = [graphOf(a).snapshot(), graphOf(b).snapshot()];
      const merged = [new TrafficGraph({ binMs }), new TrafficGraph({ binMs })] as const;
      for (const delta of [one, other]) merged[0].merge(delta);
      for (const delta of [other, one]) merged[1].merge(delta);
      t.is(text(merged[0]), text(merged[1]));
      const read = decodeSnapshot(text(merged[0]).trimEnd().split('\n'));
      if ('code' in read) throw new Error(read.message);
      const again = new TrafficGraph({ binMs });
      again.restore([read], []);
      t.is(text(again), text(merged[0]));
      t.deepEqual(again.observation(), merged[0].observation());
    }),
  );
});

test('a node that was only observed has no flow, and bins of all the time', (t) => {
  const graph = new TrafficGraph({ binMs });
  for (let minute = 0; minute < 30; minute++) graph.observed(alive(mondayMs + minute * minuteMs));
  t.deepEqual(graph.observation(), {
    binMs,
    span: undefined,
    flows: [
      {
        source: 'conntrack',
        node: 'n1',
        flows: 0,
        firstMs: mondayMs,
        lastMs: mondayMs + 30 * minuteMs,
        binMs,
        runs: [{ startMs: mondayMs, bins: 6 }],
      },
    ],
    losses: [],
  });
  t.is(graph.size, 0);
});

test('that a node was observed is saved, and told to those who follow', (t) => {
  const graph = new TrafficGraph({ binMs, grown: true });
  graph.observe(sighting(), 'n1');
  graph.takeChanges();
  const before = graph.revision;
  graph.observed(alive(mondayMs + dayMs));
  t.true(graph.revision > before);
  const { delta, growth } = graph.takeChanges();
  t.deepEqual(
    delta.flows.map(({ source, node }) => [source, node]),
    [['conntrack', 'n1']],
  );
  t.deepEqual(growth?.delta.flows, delta.flows);
  t.deepEqual(growth?.delta.connections, []);
});

test('who begins to observe a node that was only observed before has missed something', (t) => {
  const graph = new TrafficGraph({ binMs });
  graph.observed(alive(mondayMs));
  graph.loss({ timeMs: mondayMs + hourMs, source: 'conntrack', node: 'n1', events: undefined, kind: 'started' });
  t.is(graph.observation().losses[0]?.periods[0]?.uncounted, 1);
});
