import type { ExecutionContext, TestFn } from 'ava';
import fc from 'fast-check';
import type { GraphDelta } from '../../controller/graph/graph-delta.ts';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import { unnamedPeer } from '../../controller/model/flow.ts';
import type { ConnectionStore, IngestMemory } from '../../controller/ports.ts';
import { anySighting, minuteMs, mondayMs, sighting } from '../support/sightings.ts';
import { flow } from '../support/flows.ts';

/** One place that evidence is kept in; what is opened again has what was saved before. */
export interface StorePlace {
  readonly open: () => Promise<ConnectionStore>;
  readonly remove: () => Promise<void>;
}

const binMs = 5 * minuteMs;
const newGraph = () => new TrafficGraph({ binMs, saved: true, rememberedConnections: 20 });
const nothing: ReadonlyMap<string, string> = new Map();
const observed = { apiServer: ['192.0.2.1'], nodes: ['192.0.2.2'] };
const nothingObserved = { apiServer: [], nodes: [] };

const heldFlow = flow({ server: { ...unnamedPeer, ip: '10.244.0.2', labels: ['k8s:app=web'] }, source: 'hubble' });

/** What every ConnectionStore does. */
export function connectionStoreContract(test: TestFn, name: string, newPlace: () => Promise<StorePlace>): void {
  const claim = (title: string, work: (place: StorePlace, t: ExecutionContext) => Promise<void>) =>
    test(`${name}: ${title}`, async (t) => {
      const place = await newPlace();
      try {
        await work(place, t);
      } finally {
        await place.remove();
      }
    });

  claim('before the first save there is nothing', async ({ open }, t) => {
    const store = await open();
    const { evidence, positions, memory } = await store.load();
    t.deepEqual(
      [[...evidence], positions, memory],
      [[], new Map(), { recent: [], held: [], observed: nothingObserved }],
    );
    await store.close();
  });

  claim('what was saved change by change is the graph as it was, in this process and the next', async (place, t) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(anySighting, { maxLength: 15 }), { maxLength: 5 }), async (steps) => {
        const store = await place.open();
        const graph = newGraph();
        for (const [i, seen] of steps.entries()) {
          for (const one of seen) graph.observe(one, `n${i % 2}`);
          if (i % 2 === 0) graph.loss({ timeMs: mondayMs, source: 'hubble', node: '', events: 1, kind: 'lost' });
          const { delta, recent } = graph.takeChanges();
          await store.save(delta, new Map([['a', `${i}`]]), { recent, held: [], observed });
        }
        t.deepEqual((await restored(store)).snapshot(), graph.snapshot());
        await store.close();
        const next = await place.open();
        t.deepEqual((await restored(next)).snapshot(), graph.snapshot());
        await next.close();
        await place.remove();
      }),
      { numRuns: 25 },
    );
  });

  claim('a second report counts once, however many saves and restarts lie in between', async (place, t) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(anySighting, { maxLength: 8 }), { maxLength: 6 }), async (steps) => {
        const whole = newGraph();
        for (const seen of steps.flat()) whole.observe(seen);
        for (const seen of steps) {
          const store = await place.open();
          const graph = await restored(store);
          for (const one of seen) graph.observe(one);
          const { delta, recent } = graph.takeChanges();
          await store.save(delta, nothing, { recent, held: [], observed });
          await store.close();
        }
        const store = await place.open();
        t.deepEqual((await restored(store)).snapshot(), whole.snapshot());
        await store.close();
        await place.remove();
      }),
      { numRuns: 25 },
    );
  });

  claim(
    'positions move on by source, one that is not named stays, and one that is forgotten is gone',
    async ({ open }, t) => {
      const store = await open();
      const { delta } = newGraph().takeChanges();
      await store.save(
        delta,
        new Map([
          ['a', '1'],
          ['b', '2'],
          ['c', '4'],
        ]),
      );
      await store.save(
        delta,
        new Map([
          ['a', '3'],
          ['c', undefined],
          ['d', undefined],
        ]),
      );
      t.deepEqual(
        (await store.load()).positions,
        new Map([
          ['a', '3'],
          ['b', '2'],
        ]),
      );
      await store.close();
    },
  );

  claim('flows that wait and what sources said are as they were last', async ({ open }, t) => {
    const store = await open();
    const { delta } = newGraph().takeChanges();
    const memory: IngestMemory = { recent: [], held: [heldFlow], observed };
    await store.save(delta, nothing, memory);
    await store.save(delta, nothing);
    const { held, observed: stored } = (await store.load()).memory;
    t.deepEqual([JSON.parse(JSON.stringify(held)), stored], [JSON.parse(JSON.stringify([heldFlow])), observed]);
    await store.save(delta, nothing, { ...memory, held: [] });
    t.deepEqual((await store.load()).memory.held, []);
    await store.close();
  });

  claim('a save that fails leaves everything as it was', async ({ open }, t) => {
    const store = await open();
    const graph = newGraph();
    graph.observe(sighting());
    await store.save(graph.takeChanges().delta, new Map([['a', '1']]));
    const before = graph.snapshot();
    graph.observe(sighting({ clientPort: 50_000 }));
    const { delta } = graph.takeChanges();
    const broken: GraphDelta = {
      ...delta,
      connections: [...delta.connections, ...delta.connections.map((row) => ({ ...row, port: 1, source: 99 }))],
    };
    await t.throwsAsync(store.save(broken, new Map([['a', '2']])), { instanceOf: RangeError });
    t.deepEqual((await restored(store)).snapshot(), before);
    t.deepEqual((await store.load()).positions, new Map([['a', '1']]));
    await store.close();
  });

  claim('evidence in bins of another width is refused', async ({ open }, t) => {
    const store = await open();
    await store.save(newGraph().takeChanges().delta, nothing);
    const other = new TrafficGraph({ binMs: minuteMs, saved: true });
    await t.throwsAsync(store.save(other.takeChanges().delta, nothing), { instanceOf: RangeError });
    await store.close();
  });
}

async function restored(store: ConnectionStore): Promise<TrafficGraph> {
  const graph = newGraph();
  const { evidence, memory } = await store.load();
  graph.restore(evidence, memory.recent);
  return graph;
}
