import test from 'ava';
import fc from 'fast-check';
import { type Growth, seenVerdicts } from '../../controller/graph/growth.ts';
import { GrowthSightings } from '../../controller/graph/growth-sightings.ts';
import { decodeGrowth, encodeGrowth } from '../../controller/graph/growth-text.ts';
import { SeenTally } from '../../controller/graph/seen-tally.ts';
import { encodeSnapshot } from '../../controller/graph/snapshot.ts';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import { connectionId } from '../../controller/model/connection.ts';
import type { FlowLoss } from '../../controller/model/flow.ts';
import type { Sighting } from '../../controller/model/sighting.ts';
import { anySighting, hourMs, minuteMs, mondayMs, peer, sighting } from '../support/sightings.ts';

const binMs = 5 * minuteMs;
const newGraph = () => new TrafficGraph({ binMs, grown: true });
const text = (graph: TrafficGraph) => [...encodeSnapshot(graph.snapshot())].join('');

function growthOf(graph: TrafficGraph): Growth {
  const { growth } = graph.takeChanges();
  if (growth === undefined) throw new Error('a graph without growth');
  return growth;
}

const anyCount = fc.constantFrom(0, 1, 7, 2 ** 31, 2 ** 32 - 1);
const anyBytes = fc.constantFrom(0, 1500, Number.MAX_SAFE_INTEGER - 1);
const anyLoss: fc.Arbitrary<FlowLoss> = fc.record({
  timeMs: fc.integer({ min: 0, max: 1200 }).map((hour) => mondayMs + hour * hourMs),
  source: fc.constantFrom('hubble', 'conntrack'),
  node: fc.constantFrom('', 'n1', 'n2'),
  events: fc.constantFrom(undefined, 3, 50),
  kind: fc.constantFrom('lost', 'unavailable', 'sampled'),
});

/** What happens to a graph: something is seen or lost, evidence comes from elsewhere, or changes are taken. */
type Step =
  | { readonly kind: 'seen'; readonly sighting: Sighting; readonly node: string }
  | { readonly kind: 'lost'; readonly loss: FlowLoss }
  | { readonly kind: 'merged'; readonly sightings: readonly Sighting[] }
  | { readonly kind: 'taken' };

const anyCounted = fc
  .tuple(anySighting, anyCount, anyBytes)
  .map(([seen, connections, bytes]): Sighting => ({ ...seen, connections, bytes }));
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('seen' as const),
      sighting: anyCounted,
      node: fc.constantFrom('', 'n1', 'n2'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lost' as const), loss: anyLoss }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('merged' as const), sightings: fc.array(anyCounted, { maxLength: 5 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('taken' as const) }) },
);

/** Does the steps; answers with what was gained at each taking, the last one at the end, as it comes out of its text. */
function growthsOf(graph: TrafficGraph, steps: readonly Step[]): Growth[] {
  const growths: Growth[] = [];
  const take = () => {
    const read = decodeGrowth(encodeGrowth(growthOf(graph)));
    if ('code' in read) throw new Error(read.message);
    growths.push(read);
  };
  for (const step of steps) {
    switch (step.kind) {
      case 'seen':
        graph.observe(step.sighting, step.node);
        break;
      case 'lost':
        graph.loss(step.loss);
        break;
      case 'merged': {
        const elsewhere = new TrafficGraph({ binMs });
        for (const seen of step.sightings) elsewhere.observe(seen, 'n3');
        graph.merge(elsewhere.snapshot());
        break;
      }
      case 'taken':
        take();
        break;
    }
  }
  take();
  return growths;
}

const anySteps = fc.array(anyStep, { maxLength: 50 });

test('all that a graph gained is the graph, in any order and grouping', (t) => {
  fc.assert(
    fc.property(anySteps, fc.array(fc.nat()), fc.nat(), (steps, order, group) => {
      const graph = newGraph();
      const growths = growthsOf(graph, steps);
      const shuffled = growths
        .map((growth, i) => ({ growth, place: order[i] ?? i }))
        .sort((a, b) => a.place - b.place)
        .map(({ growth }) => growth);
      const cut = growths.length === 0 ? 0 : group % (growths.length + 1);
      const follower = new TrafficGraph({ binMs });
      const beside = new TrafficGraph({ binMs });
      for (const { delta } of shuffled.slice(0, cut)) follower.merge(delta);
      for (const { delta } of shuffled.slice(cut)) beside.merge(delta);
      follower.merge(beside.snapshot());
      t.is(text(follower), text(graph));
    }),
  );
});

test('who has read a graph and adds what it gained since has the graph, also after it was restored or told whole', (t) => {
  fc.assert(
    fc.property(anySteps, anySteps, anySteps, fc.boolean(), (first, second, third, restart) => {
      const former = newGraph();
      growthsOf(former, first);
      let graph = former;
      if (restart) {
        graph = newGraph();
        graph.restore([former.snapshot()], []);
      } else {
        growthsOf(graph, second.slice(0, 5));
        t.is(graph.takeEverything().growth, undefined);
      }
      const follower = new TrafficGraph({ binMs });
      follower.merge(graph.snapshot());
      for (const { delta } of growthsOf(graph, third)) follower.merge(delta);
      t.is(text(follower), text(graph));
    }),
  );
});

test('graphs that gain at the same time are followed in one, as if one had seen everything', (t) => {
  fc.assert(
    fc.property(fc.array(anyCounted, { maxLength: 40 }), fc.array(fc.boolean()), (sightings, takes) => {
      const whole = new TrafficGraph({ binMs });
      const shards = [newGraph(), newGraph()] as const;
      const follower = new TrafficGraph({ binMs });
      sightings.forEach((seen, i) => {
        // what is remembered of a connection lies in one shard: both reports of it go there
        const shard = shards[seen.clientPort % 2] as TrafficGraph;
        whole.observe(seen, 'n1');
        shard.observe(seen, 'n1');
        if (takes[i]) follower.merge(growthOf(shard).delta);
      });
      for (const shard of shards) follower.merge(growthOf(shard).delta);
      t.is(text(follower), text(whole));
    }),
  );
});

test('everything that was seen is told once, with its outcome and the second of it', (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(anySighting, fc.boolean()), { maxLength: 40 }), (steps) => {
      const graph = newGraph();
      const expected = new Map<string, number>();
      const told = new Map<string, number>();
      const count = (table: Map<string, number>, key: string, connections: number) =>
        table.set(key, (table.get(key) ?? 0) + connections);
      const take = () => {
        const { delta, sightings } = growthOf(graph);
        for (const { connection, verdict, answered, timeMs, connections } of sightings) {
          const seen = delta.connections[connection];
          const client = delta.endpoints[seen?.source ?? -1]?.endpoint;
          const server = delta.endpoints[seen?.destination ?? -1]?.endpoint;
          if (seen === undefined || client === undefined || server === undefined) throw new Error('no such connection');
          const id = connectionId(client, server, seen.protocol, seen.port, seen.directed);
          count(told, `${id} ${verdict} ${answered} ${timeMs}`, connections);
        }
      };
      for (const [seen, isTaken] of steps) {
        graph.observe(seen);
        const port = seen.directed || seen.port < 32_768 ? seen.port : 0;
        const id = connectionId(seen.client.endpoint, seen.server.endpoint, seen.protocol, port, seen.directed);
        count(expected, `${id} ${seen.verdict} ${seen.answered} ${seen.timeMs}`, seen.connections);
        if (isTaken) take();
      }
      take();
      t.is(told.size, expected.size);
      for (const [key, connections] of expected) t.is(told.get(key), connections, key);
    }),
  );
});

test('hours with losses are followed beyond as many as are kept', (t) => {
  const graph = newGraph();
  const follower = new TrafficGraph({ binMs });
  for (let hour = 0; hour < 1_030; hour++) {
    graph.loss({ timeMs: mondayMs + hour * hourMs, source: 'hubble', node: 'n1', events: 2, kind: 'lost' });
    if (hour % 10 === 0) follower.merge(growthOf(graph).delta);
  }
  follower.merge(growthOf(graph).delta);
  t.is(text(follower), text(graph));
});

test('a second report of a connection is seen again and counts nothing', (t) => {
  const graph = newGraph();
  graph.observe(sighting(), 'n1');
  t.is(growthOf(graph).delta.connections[0]?.allowed, 1);
  graph.observe(sighting(), 'n2');
  const { delta, sightings } = growthOf(graph);
  t.deepEqual(
    delta.connections.map(({ allowed }) => allowed),
    [0],
  );
  t.deepEqual(
    sightings.map(({ connections }) => connections),
    [1],
  );
});

test('a backlog of days is told less finely, and nothing of it is missing', (t) => {
  const tally = new SeenTally();
  const rows = 100;
  const seconds = 3_000;
  for (let second = 0; second < seconds; second++)
    for (let row = 0; row < rows; row++) tally.add(row, row % 12, second, 2);
  const told = tally.take();
  t.true(told.length < 6_500, `${told.length}`);
  t.is(new Set(told.map(({ row }) => row)).size, rows);
  t.true(told.every(({ row, outcome, second }) => outcome === row % 12 && second >= 0 && second < seconds));
  t.is(
    told.reduce((sum, { connections }) => sum + connections, 0),
    2 * rows * seconds,
  );
  t.deepEqual(tally.take(), []);
  tally.add(1, 1, 7, 1);
  tally.add(1, 1, 8, 1);
  t.is(tally.take().length, 2, 'what comes after it is told by the second again');
});

test('more connections than the tally has room for are all told', (t) => {
  const tally = new SeenTally();
  for (let row = 0; row < 60_000; row++) tally.add(row, 0, row, 1);
  t.deepEqual(
    tally
      .take()
      .map(({ row }) => row)
      .sort((a, b) => a - b),
    Array.from({ length: 60_000 }, (_, row) => row),
  );
});

test('sightings that are made of growths name the same peers by the same objects, and no pod', (t) => {
  const graph = newGraph();
  const made = new GrowthSightings();
  const seen = () => {
    graph.observe(
      sighting({ clientPort: 0, verdict: 'none', answered: false, connections: 3, timeMs: mondayMs + 1_500 }),
    );
    return [...made.of(growthOf(graph))];
  };
  const [[first], [second]] = [seen(), seen()];
  t.like(first, {
    timeMs: mondayMs + 1_000,
    verdict: 'none',
    answered: false,
    connections: 3,
    port: 8080,
    protocol: 6,
  });
  t.deepEqual([first?.client.endpoint, first?.client.replica], [sighting().client.endpoint, 0]);
  t.is(second?.client, first?.client);
  t.is(second?.server, first?.server);
});

test('a growth in a text that was cut off, or of another version, is a problem', (t) => {
  const graph = newGraph();
  graph.observe(sighting({ server: peer({ kind: 'external', address: '192.0.2.1' }) }));
  const whole = encodeGrowth(growthOf(graph));
  for (const broken of [
    '',
    '\n',
    'x',
    whole.slice(0, 10),
    whole.slice(0, -30),
    whole.replace('"version":1', '"version":2'),
  ]) {
    const read = decodeGrowth(broken);
    t.is('code' in read ? read.code : 'read', 'SnapshotUnreadable', broken);
  }
  t.is(new Set(seenVerdicts).size, 4);
});
