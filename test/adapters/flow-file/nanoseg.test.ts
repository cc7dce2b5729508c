import test from 'ava';
import fc from 'fast-check';
import { defaultFlowLimits } from '../../../controller/adapters/flow-file/flow-limits.ts';
import {
  encodeFlow,
  encodeLoss,
  encodeObserved,
  nanosegLines,
} from '../../../controller/adapters/flow-file/nanoseg-line.ts';
import {
  type Flow,
  type FlowLoss,
  type FlowPeer,
  flowSourceKinds,
  mostObservedMs,
  type ObservedTime,
} from '../../../controller/model/flow.ts';
import { jsonLines, readText } from './read-text.ts';
import { flowFaults } from './strict-flow.ts';

const name = fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' });
const ip = fc.oneof(fc.ipV4(), fc.ipV6());
const port = fc.integer({ min: 0, max: 65535 });
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

const peer: fc.Arbitrary<FlowPeer> = fc.record({
  ip: optional(ip),
  namespace: optional(name),
  pod: optional(name),
  podPrefix: optional(name),
  workload: optional(fc.record({ kind: name, name })),
  labels: optional(fc.array(name, { minLength: 1, maxLength: 4 })),
  reserved: optional(
    fc.constantFrom('host', 'remote-node', 'kube-apiserver', 'ingress', 'health', 'world', 'unmanaged'),
  ),
  node: optional(name),
  service: optional(fc.record({ namespace: name, name })),
  dnsNames: optional(fc.array(fc.domain(), { minLength: 1, maxLength: 3 })),
});

const flow: fc.Arbitrary<Flow> = fc
  .record({
    timeMs: fc.integer({ min: 0, max: Date.UTC(2199, 0, 1) }),
    lastsMs: fc.oneof(fc.constant(0), fc.nat(86_400_000)),
    client: peer,
    server: peer,
    clientPort: port,
    port,
    addressed: optional(fc.record({ ip, port })),
    protocol: fc.nat(255),
    directed: fc.boolean(),
    verdict: fc.constantFrom('allowed', 'denied', 'audited', 'none'),
    answered: optional(fc.boolean()),
    connections: fc.nat(1000),
    bytes: fc.maxSafeNat(),
    source: fc.constantFrom(...flowSourceKinds),
    node: fc.oneof(fc.constant(''), name),
    serverNode: optional(name),
  })
  .map(({ lastsMs, serverNode, ...rest }) => {
    const always = { ...rest, endMs: rest.timeMs + lastsMs };
    return serverNode === undefined ? always : { ...always, serverNode };
  });

test('a flow that was written and read again is the same flow', (t) => {
  const read = nanosegLines(defaultFlowLimits);
  fc.assert(
    fc.property(flow, (original) => {
      t.deepEqual(flowFaults(original), []);
      const line = encodeFlow(original);
      t.false(line.includes('\n'));
      t.deepEqual(read(line, undefined), { kind: 'flow', flow: original });
    }),
  );
});

const loss: fc.Arbitrary<FlowLoss> = fc.record({
  timeMs: fc.integer({ min: 0, max: Date.UTC(2199, 0, 1) }),
  source: fc.constantFrom(...flowSourceKinds),
  node: fc.oneof(fc.constant(''), name),
  events: optional(fc.maxSafeNat()),
  kind: fc.constantFrom('lost', 'unavailable', 'sampled'),
});

test('a loss that was written and read again is the same loss', (t) => {
  const read = nanosegLines(defaultFlowLimits);
  fc.assert(
    fc.property(loss, (original) => {
      const line = encodeLoss(original);
      t.false(line.includes('\n'));
      t.deepEqual(read(line, undefined), { kind: 'losses', losses: [original] });
    }),
  );
});

const observed: fc.Arbitrary<ObservedTime> = fc
  .record({
    source: fc.constantFrom(...flowSourceKinds),
    node: name,
    fromMs: fc.integer({ min: 0, max: Date.UTC(2199, 0, 1) }),
    lastsMs: fc.nat(mostObservedMs),
  })
  .map(({ lastsMs, ...time }) => ({ ...time, toMs: time.fromMs + lastsMs }));

test('that a node was observed is written and read again', (t) => {
  const read = nanosegLines(defaultFlowLimits);
  fc.assert(
    fc.property(observed, (original) => {
      const line = encodeObserved(original);
      t.false(line.includes('\n'));
      t.deepEqual(read(line, undefined), { kind: 'observed', observed: original });
    }),
  );
});

test('a file that only tells that nodes were observed is a file of this format', async (t) => {
  const line = { nanoseg: 'alive/v1', time: '2026-07-31T10:41:00Z', end: '2026-07-31T10:42:00Z', node: 'n1' };
  const read = await readText(jsonLines(line, { ...line, source: 'conntrack' }));
  const fromMs = Date.UTC(2026, 6, 31, 10, 41);
  const time = { node: 'n1', fromMs, toMs: fromMs + 60_000 };
  t.deepEqual(read.observed, [
    { ...time, source: 'nanoseg' },
    { ...time, source: 'conntrack' },
  ]);
  t.deepEqual([read.flows, read.losses, read.rejected, read.records], [[], [], [], 2]);
});

test('nobody has observed a node for more than an hour at once, or no node at all', async (t) => {
  const line = { nanoseg: 'alive/v1', time: '2026-07-31T10:41:00Z', end: '2026-07-31T11:41:00.001Z', node: 'n1' };
  const { rejected } = await readText(
    jsonLines(
      { ...line, end: line.time },
      line,
      { ...line, end: '2026-07-31T10:40:59Z' },
      { ...line, end: undefined },
      { ...line, end: line.time, node: undefined },
      { ...line, end: line.time, node: '' },
      { ...line, end: line.time, events: 1 },
    ),
  );
  t.deepEqual(
    rejected.map(({ reason }) => reason),
    [
      'end lies more than an hour after time',
      'end lies before time',
      'end is missing',
      'node is missing',
      'node is missing',
      '"events": no such field',
    ],
  );
});

const least = {
  nanoseg: 'flow/v1',
  time: '2026-07-31T10:41:02.5Z',
  client: { ip: '10.0.0.1' },
  server: { ip: '10.0.0.2' },
  protocol: 'TCP',
  directed: true,
  verdict: 'allowed',
};

test('the least that a line needs, and what the rest then is', async (t) => {
  const { flows } = await readText(jsonLines(least));
  t.like(flows[0], {
    timeMs: Date.UTC(2026, 6, 31, 10, 41, 2, 500),
    endMs: Date.UTC(2026, 6, 31, 10, 41, 2, 500),
    clientPort: 0,
    port: 0,
    answered: undefined,
    connections: 1,
    bytes: 0,
    source: 'nanoseg',
    node: '',
  });
});

test('losses are lines of their own', async (t) => {
  const { losses } = await readText(
    jsonLines({ nanoseg: 'loss/v1', time: least.time, kind: 'sampled', events: 50, source: 'conntrack', node: 'n1' }),
  );
  t.deepEqual(losses, [
    { timeMs: Date.UTC(2026, 6, 31, 10, 41, 2, 500), source: 'conntrack', node: 'n1', events: 50, kind: 'sampled' },
  ]);
});

test('a misspelled or missing field rejects the line, because its absence would change the meaning', async (t) => {
  const cases: readonly (readonly [object, string])[] = [
    [{ ...least, verdct: 'denied' }, '"verdct": no such field'],
    [{ ...least, client: { address: '10.0.0.1' } }, 'client."address": no such field'],
    [{ ...least, directed: undefined }, 'directed is missing'],
    [{ ...least, verdict: undefined }, 'verdict: expected one of allowed, denied, audited, none, got nothing'],
    [{ ...least, server: undefined }, 'server is missing'],
    [{ ...least, time: undefined }, 'time is missing'],
    [{ ...least, end: '2026-07-31T10:41:02Z' }, 'end lies before time'],
    [{ ...least, protocol: 6 }, 'protocol: expected a name such as "TCP" or "IP-4", got 6'],
    [{ ...least, nanoseg: 'flow/v9' }, 'nanoseg: expected "flow/v1", "loss/v1" or "alive/v1", got "flow/v9"'],
    [{ ...least, client: { workload: { name: 'cart' } } }, 'client.workload.kind is missing'],
    [{ ...least, answered: 'yes' }, 'answered: expected true or false, got "yes"'],
  ];
  for (const [line, reason] of cases) {
    t.deepEqual((await readText(jsonLines(least, line))).rejected, [{ where: '2', reason }]);
  }
});
