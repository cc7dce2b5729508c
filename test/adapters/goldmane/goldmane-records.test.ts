import test from 'ava';
import fc from 'fast-check';
import { defaultFlowLimits } from '../../../controller/adapters/flow-file/flow-limits.ts';
import { goldmaneLines } from '../../../controller/adapters/flow-file/goldmane-line.ts';
import type { LineOutcome } from '../../../controller/adapters/flow-file/line-outcome.ts';
import { decodeListResult } from '../../../controller/adapters/goldmane/goldmane-messages.ts';
import { GoldmaneRecords } from '../../../controller/adapters/goldmane/goldmane-records.ts';
import { encodeResult, type GoldmaneResult, type GoldmaneSide } from '../../support/goldmane-server.ts';
import { flowFaults } from '../flow-file/strict-flow.ts';

const startS = 1_795_000_005;

/** What becomes of results on the wire. */
function fromWire(results: readonly GoldmaneResult[]) {
  const records = new GoldmaneRecords('goldmane', defaultFlowLimits, undefined);
  for (const [i, result] of results.entries()) {
    const decoded = records.decode(encodeResult(result, startS, i + 1));
    if (decoded !== undefined) records.add(decoded);
  }
  return records.takeBatch();
}

const enums = {
  type: ['EndpointTypeUnspecified', 'WorkloadEndpoint', 'HostEndpoint', 'NetworkSet', 'Network'],
  reporter: ['ReporterUnspecified', 'Src', 'Dst'],
  action: ['ActionUnspecified', 'Allow', 'Deny', 'Pass'],
};

/** The same in protojson, as tools print it: defaults left out, enums by their names, 64-bit integers as text. */
function protojson(result: GoldmaneResult): object {
  const { source, dest, port = 0, proto = 'tcp', reporter, action, pending = [], service } = result;
  const given = (value: string | undefined) => (value === '' ? undefined : value);
  const int64 = (value = 0) => (value === 0 ? undefined : String(value));
  return {
    id: '1',
    flow: {
      Key: {
        sourceName: given(source.name),
        sourceNamespace: given(source.namespace),
        sourceType: source.type === 0 ? undefined : enums.type[source.type],
        destName: given(dest.name),
        destNamespace: given(dest.namespace),
        destType: dest.type === 0 ? undefined : enums.type[dest.type],
        destPort: int64(port),
        destServiceName: given(service?.name),
        destServiceNamespace: given(service?.namespace),
        proto: given(proto),
        reporter: enums.reporter[reporter],
        action: enums.action[action],
        policies: { pendingPolicies: pending.map((hit) => ({ action: enums.action[hit] })) },
      },
      startTime: int64(startS),
      endTime: int64(startS + 15),
      sourceLabels: source.labels,
      destLabels: dest.labels,
      packetsIn: int64(result.packetsIn),
      packetsOut: int64(result.packetsOut),
      bytesIn: int64(result.bytesIn),
      bytesOut: int64(result.bytesOut),
      numConnectionsStarted: int64(result.started),
    },
  };
}

const side: fc.Arbitrary<GoldmaneSide> = fc.oneof(
  fc.record({
    name: fc.constantFrom('web-7c9f8d-*', 'redis-0', '*'),
    namespace: fc.constantFrom('shop', 'blog'),
    type: fc.constant(1),
    labels: fc.array(fc.constantFrom('app=web', 'tier=front'), { maxLength: 2 }),
  }),
  fc.record({ name: fc.constantFrom('pub', 'pvt'), type: fc.constant(4) }),
  fc.record({ name: fc.constant('node-1'), type: fc.constant(2) }),
  fc.record({ name: fc.constant('databases'), namespace: fc.constantFrom('', '-'), type: fc.constant(3) }),
);
const count = fc.oneof(fc.constant(0), fc.nat(1_000_000), fc.constant(2 ** 40));
const anyResult: fc.Arbitrary<GoldmaneResult> = fc.record({
  source: side,
  dest: side,
  port: fc.oneof(fc.nat(65_535), fc.constant(70_000)),
  proto: fc.constantFrom('tcp', 'udp', 'sctp', 'icmp', '47', ''),
  reporter: fc.constantFrom(1 as const, 2 as const),
  action: fc.constantFrom(1, 1, 1, 2, 3),
  pending: fc.array(fc.constantFrom(1, 2, 3), { maxLength: 3 }),
  packetsIn: count,
  packetsOut: count,
  bytesIn: count,
  bytesOut: count,
  started: fc.nat(3),
  service: fc.record({ namespace: fc.constantFrom('shop', ''), name: fc.constantFrom('web', '') }),
});

test('results on the wire are the same flows as in JSON', (t) => {
  fc.assert(
    fc.property(fc.array(anyResult, { minLength: 1, maxLength: 20 }), (results) => {
      const wire = fromWire(results);
      const read = goldmaneLines(defaultFlowLimits);
      const outcomes = results.map((result) => read(JSON.stringify(protojson(result)), undefined));
      const ofKind = (kind: LineOutcome['kind']) => outcomes.filter((outcome) => outcome.kind === kind);
      t.deepEqual(
        wire.flows,
        outcomes.flatMap((outcome) => (outcome.kind === 'flow' ? outcome.flow : [])),
      );
      t.deepEqual([wire.records, wire.skipped], [results.length, ofKind('skipped').length]);
      t.is(wire.rejected.length, ofKind('rejected').length);
      for (const flow of wire.flows) t.deepEqual(flowFaults(flow), []);
    }),
  );
});

test('bytes that are no message are rejected, and break nothing', (t) => {
  const whole = encodeResult(
    {
      source: { name: 'a', namespace: 'shop', type: 1, labels: ['app=a'] },
      dest: { name: 'b', namespace: 'shop', type: 1 },
      port: 80,
      reporter: 1,
      action: 1,
      pending: [1, 2],
      packetsIn: 1,
      packetsOut: 1,
    },
    startS,
    1,
  );
  const damaged = fc
    .tuple(fc.nat(whole.length - 1), fc.nat(255), fc.integer({ min: 1, max: whole.length }))
    .map(([at, byte, length]) => Buffer.from(whole.with(at, byte)).subarray(0, length));
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 60 })), (bytes) => {
      const records = new GoldmaneRecords('goldmane', defaultFlowLimits, undefined);
      const decoded = records.decode(bytes);
      if (decoded !== undefined) records.add(decoded);
      const { flows, rejected, records: read, skipped } = records.takeBatch();
      t.is(read, 1);
      t.is(flows.length + rejected.length + skipped, 1);
      for (const flow of flows) t.deepEqual(flowFaults(flow), []);
    }),
    { numRuns: 2_000 },
  );
});

test('a list that is none is an error', (t) => {
  for (const bytes of [[0x12, 0x05, 0x01], [0x0a, 0x02, 0x08], [0xff]]) {
    t.throws(() => decodeListResult(Buffer.from(bytes)), { instanceOf: Error });
  }
  t.deepEqual(decodeListResult(Buffer.alloc(0)), { totalPages: 0, results: [] });
});

const pods = {
  source: { name: 'cart-0', namespace: 'shop', type: 1 },
  dest: { name: 'redis-0', namespace: 'shop', type: 1 },
  port: 6379,
  action: 1,
} as const;

test('what passed and staged policies would have dropped is audited, once it is known to have passed', (t) => {
  const verdictOf = (result: Omit<GoldmaneResult, 'source' | 'dest'>) =>
    fromWire([{ ...pods, ...result }]).flows[0]?.verdict;
  t.is(verdictOf({ reporter: 1, action: 1, pending: [3, 2], packetsIn: 1, packetsOut: 1 }), 'audited');
  t.is(verdictOf({ reporter: 2, action: 1, pending: [2], packetsIn: 1 }), 'audited');
  t.is(verdictOf({ reporter: 1, action: 1, pending: [3, 1], packetsIn: 1, packetsOut: 1 }), 'allowed');
  t.is(verdictOf({ reporter: 1, action: 1, pending: [2] }), 'allowed');
  t.is(verdictOf({ reporter: 2, action: 2, pending: [1], packetsIn: 1 }), 'denied');
});

test('one connection that only one side would drop when staged policies are in force counts once', (t) => {
  const { flows } = fromWire([
    { ...pods, reporter: 1, pending: [2], packetsIn: 1, packetsOut: 1, started: 3 },
    { ...pods, reporter: 2, pending: [1], packetsIn: 1, packetsOut: 1, started: 3 },
  ]);
  t.deepEqual(
    flows.map(({ verdict, connections }) => [verdict, connections]),
    [
      ['audited', 3],
      ['allowed', 0],
    ],
  );
});

test('the outside is the world where Goldmane says public, and nobody where it says private', (t) => {
  const outside = (name: string) => ({ name, type: 4 });
  const { flows } = fromWire([
    { ...pods, source: outside('pub'), reporter: 2, packetsIn: 1, packetsOut: 1 },
    { ...pods, dest: outside('pvt'), reporter: 1, packetsIn: 1, packetsOut: 1 },
    { ...pods, proto: 'icmp6', port: 0, reporter: 1, packetsIn: 1, packetsOut: 1 },
  ]);
  t.like(flows[0]?.client, { reserved: 'world', pod: undefined, ip: undefined });
  t.like(flows[1]?.server, { reserved: undefined, pod: undefined, ip: undefined });
  t.like(flows[2], { protocol: 58, port: 0 });
});
