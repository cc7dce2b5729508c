import test from 'ava';
import { aggregatedSource } from '../../../controller/adapters/conntrack/aggregated-source.ts';
import { FlowAggregate } from '../../../controller/adapters/conntrack/flow-aggregate.ts';
import { systemClock } from '../../../controller/adapters/system-clock.ts';
import { type Flow, unnamedPeer } from '../../../controller/model/flow.ts';
import type { FlowBatch, FlowSource } from '../../../controller/ports.ts';
import { flow as plainFlow } from '../../support/flows.ts';

function flow(facts: Partial<Flow> = {}): Flow {
  return plainFlow({
    timeMs: 10_000,
    endMs: 10_000,
    answered: undefined,
    source: 'conntrack',
    node: 'node-1',
    ...facts,
  });
}

test('flows that differ in the client port alone are one, with their sums', (t) => {
  const aggregate = new FlowAggregate(5_000, 100);
  aggregate.add(flow({ timeMs: 10_500, endMs: 10_600, bytes: 10 }));
  aggregate.add(flow({ clientPort: 40_001, timeMs: 10_200, endMs: 10_200, bytes: 5 }));
  aggregate.add(flow({ clientPort: 40_001, connections: 0, endMs: 12_000, timeMs: 10_200 }));
  const { flows, losses } = aggregate.take();
  t.deepEqual(flows, [flow({ clientPort: 0, timeMs: 10_200, endMs: 12_000, connections: 2, bytes: 15 })]);
  t.deepEqual(losses, []);
  t.deepEqual(aggregate.take().flows, []);
});

test('whatever else differs keeps flows apart, and so does the time at which they began', (t) => {
  const aggregate = new FlowAggregate(5_000, 100);
  const peer = (ip: string) => ({ ...unnamedPeer, ip });
  const different: readonly Partial<Flow>[] = [
    {},
    { client: peer('10.244.1.11') },
    { server: peer('10.244.2.21') },
    { port: 8081 },
    { protocol: 17 },
    { addressed: { ip: '10.96.0.50', port: 80 } },
    { addressed: { ip: '10.96.0.50', port: 81 } },
    { translatedClient: '192.0.2.10' },
    { directed: false },
    { verdict: 'denied' },
    { answered: true },
    { answered: false },
    { timeMs: 4_000 },
  ];
  for (const facts of different) aggregate.add(flow(facts));
  t.is(aggregate.take().flows.length, different.length);
});

test('beyond its bound it counts what it cannot keep, as loss of the node', (t) => {
  const aggregate = new FlowAggregate(5_000, 2);
  for (let port = 1; port <= 5; port++) aggregate.add(flow({ port, endMs: 10_000 + port }));
  aggregate.add(flow({ port: 1 }));
  const { flows, losses } = aggregate.take();
  t.deepEqual(
    flows.map(({ port, connections }) => [port, connections]),
    [
      [1, 2],
      [2, 1],
    ],
  );
  t.deepEqual(losses, [{ timeMs: 10_005, source: 'conntrack', node: 'node-1', events: 3, kind: 'lost' }]);
});

const none = { losses: [], rejected: [], records: 0, skipped: 0 };

function sourceOf(batches: (signal: AbortSignal) => AsyncGenerator<FlowBatch>): FlowSource {
  return { name: 'test', progress: () => ({ doneBytes: 0, totalBytes: undefined }), batches };
}

test('an interval is one batch, and what is there at the end is the last one', async (t) => {
  const stop = new AbortController();
  const source = sourceOf(async function* (signal) {
    yield { ...none, flows: [flow()], records: 3, skipped: 2 };
    yield { ...none, flows: [flow({ clientPort: 1 })], records: 1 };
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    yield { ...none, flows: [flow({ port: 9 })], records: 1 };
  });
  const batches: FlowBatch[] = [];
  for await (const batch of aggregatedSource(source, { clock: systemClock, intervalMs: 50 }).batches(stop.signal)) {
    batches.push(batch);
    stop.abort();
  }
  t.deepEqual(
    batches.map(({ flows, records, skipped }) => [
      flows.map(({ port, connections }) => [port, connections]),
      records,
      skipped,
    ]),
    [
      [[[8080, 2]], 4, 2],
      [[[9, 1]], 1, 0],
    ],
  );
});

test('that the node was observed is passed on, each time once, also where nothing else happened', async (t) => {
  const stop = new AbortController();
  const time = { source: 'conntrack', node: 'node-1', fromMs: 0, toMs: 60_000 } as const;
  const source = sourceOf(async function* (signal) {
    yield { ...none, flows: [], observed: [time] };
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    yield { ...none, flows: [flow()] };
  });
  const batches: FlowBatch[] = [];
  for await (const batch of aggregatedSource(source, { clock: systemClock, intervalMs: 50 }).batches(stop.signal)) {
    batches.push(batch);
    stop.abort();
  }
  t.deepEqual(
    batches.map(({ flows, observed }) => [flows.length, observed]),
    [
      [0, [time]],
      [1, []],
    ],
  );
});

test('losses of one kind are one of their sum, and a loss without a number stays without', async (t) => {
  const loss = { timeMs: 1, source: 'conntrack', node: 'node-1', kind: 'lost' } as const;
  const source = sourceOf(async function* () {
    yield {
      ...none,
      flows: [],
      losses: [
        { ...loss, events: 2 },
        { ...loss, events: undefined },
      ],
    };
    yield {
      ...none,
      flows: [],
      losses: [
        { ...loss, events: 3, timeMs: 2 },
        { ...loss, events: undefined, timeMs: 3 },
      ],
    };
  });
  const batches = await Array.fromAsync(
    aggregatedSource(source, { clock: systemClock, intervalMs: 60_000 }).batches(new AbortController().signal),
  );
  t.deepEqual(
    batches.flatMap(({ losses }) => losses.map(({ events, timeMs }) => [events, timeMs])),
    [
      [5, 2],
      [undefined, 3],
    ],
  );
});

test('a failure of the source is that of the sums, after what came before it', async (t) => {
  const source = sourceOf(async function* () {
    yield { ...none, flows: [flow()] };
    throw new Error('the kernel went away');
  });
  const batches = aggregatedSource(source, { clock: systemClock, intervalMs: 60_000 }).batches(
    new AbortController().signal,
  );
  const taken: FlowBatch[] = [];
  const reading = (async () => {
    for await (const batch of batches) taken.push(batch);
  })();
  await t.throwsAsync(reading, { message: 'the kernel went away' });
  t.is(taken.length, 1);
});
