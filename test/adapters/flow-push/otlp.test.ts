import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { Reader } from 'protobufjs/minimal.js';
import type { CounterPoint } from '../../../controller/adapters/flow-push/counter-point.ts';
import { NetworkFlowPoints } from '../../../controller/adapters/flow-push/network-flow-points.ts';
import { parseMetrics } from '../../../controller/adapters/flow-push/otlp-json.ts';
import { decodeMetrics } from '../../../controller/adapters/flow-push/otlp-protobuf.ts';
import { PushRefusal } from '../../../controller/adapters/flow-push/push-refusal.ts';
import { unnamedPeer } from '../../../controller/model/flow.ts';
import { otlpJson, otlpProtobuf, type SentMetric, type SentPoint } from '../../support/otlp-metrics.ts';
import { PushWorld } from '../../support/push-world.ts';
import { minuteMs } from '../../support/sightings.ts';

const obi = 'obi.network.flow.bytes';
const jsonType = { 'content-type': 'application/json; charset=utf-8' };
const protobufType = { 'content-type': 'application/x-protobuf' };
const wish = { wants: () => true, mostPoints: 1_000 };

const cartToDb = {
  direction: 'request',
  transport: 'TCP',
  'server.port': 5432,
  'src.address': '10.244.0.1',
  'dst.address': '10.244.0.2',
  'k8s.src.namespace': 'shop',
  'k8s.src.name': 'web-1',
  'k8s.src.type': 'Pod',
  'k8s.src.owner.name': 'web',
  'k8s.src.owner.type': 'Deployment',
  'k8s.dst.namespace': 'shop',
  'k8s.dst.name': 'cart-1',
  'k8s.dst.type': 'Pod',
  'k8s.dst.owner.name': 'cart',
  'k8s.dst.owner.type': 'Deployment',
};

/** What the server sends back: source and destination of the packets change places. */
function answers(attributes: Readonly<Record<string, string | number>>): Record<string, string | number> {
  const turned = Object.entries(attributes).map(([key, value]): [string, string | number] => [
    key.startsWith('k8s.src.') || key.startsWith('src.')
      ? key.replace('src.', 'dst.')
      : key.startsWith('k8s.dst.') || key.startsWith('dst.')
        ? key.replace('dst.', 'src.')
        : key,
    value,
  ]);
  return { ...Object.fromEntries(turned), direction: 'response' };
}

function metric(points: readonly SentPoint[], facts: Partial<SentMetric> = {}): SentMetric {
  return { name: obi, points, ...facts };
}

async function world(t: ExecutionContext): Promise<PushWorld> {
  const made = await PushWorld.running();
  t.teardown(() => made.stop());
  return made;
}

const nowMs = () => Date.now() - minuteMs;

test('requests and answers of a connection are one connection from the client to the server, in both encodings', async (t) => {
  for (const encode of ['json', 'protobuf'] as const) {
    const made = await world(t);
    const metrics = [
      metric([
        { attributes: cartToDb, timeMs: nowMs(), value: 700 },
        { attributes: answers(cartToDb), timeMs: nowMs(), value: 300 },
      ]),
      metric([{ attributes: { host: 'x' }, timeMs: nowMs(), value: 1 }], { name: 'http.server.requests' }),
    ];
    const reply =
      encode === 'json'
        ? await made.push(otlpJson(metrics), jsonType, '/v1/metrics')
        : await made.push(otlpProtobuf(metrics), protobufType, '/v1/metrics');
    t.is(reply.status, 200);
    t.is(reply.headers['content-type'], encode === 'json' ? 'application/json' : 'application/x-protobuf');
    t.is(reply.raw.toString(), encode === 'json' ? '{}' : '');
    t.deepEqual(made.seen(), ['web>cart:TCP/5432 1']);
    const [connection] = made.graph.connections();
    t.like(connection?.evidence, { bytes: 1_000, answered: 'yes', sources: ['opentelemetry'] });
  }
});

test('both encodings say the same', (t) => {
  const text = fc.string({ minLength: 1, maxLength: 8 });
  const value = fc.oneof(text, fc.maxSafeInteger(), fc.boolean());
  const timeMs = fc.integer({ min: 0, max: 4_000_000_000_000 });
  const sent: fc.Arbitrary<SentMetric> = fc.record({
    name: fc.constantFrom(obi, 'other'),
    temporality: fc.constantFrom(0, 1, 2),
    monotonic: fc.boolean(),
    resource: fc.dictionary(text, text, { maxKeys: 3 }),
    points: fc.array(
      fc.record({
        attributes: fc.dictionary(text, value, { maxKeys: 4 }),
        startMs: timeMs,
        timeMs,
        value: fc.maxSafeInteger(),
        flags: fc.constantFrom(0, 1, 2),
      }),
      { maxLength: 4 },
    ),
  });
  const some = { wants: (name: string) => name === obi, mostPoints: 1_000 };
  fc.assert(
    fc.property(fc.array(sent, { maxLength: 4 }), (metrics) => {
      const json = parseMetrics(otlpJson(metrics), some);
      const { points, otherMetrics, unusable } = decodeMetrics(otlpProtobuf(metrics), some);
      t.deepEqual({ points, otherMetrics, unusable }, json);
    }),
  );
});

test('a body that is damaged anywhere is refused or read, and nothing else happens', (t) => {
  const whole = otlpProtobuf([metric([{ attributes: cartToDb, timeMs: nowMs(), value: 700 }])]);
  const text = otlpJson([metric([{ attributes: cartToDb, timeMs: nowMs(), value: 700 }])]);
  const readable = (read: () => unknown) => {
    try {
      read();
    } catch (error) {
      if (!(error instanceof PushRefusal)) throw error;
    }
  };
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), (at, byte, length) => {
      const damaged = whole.slice(0, length);
      if (at < length) damaged[at] = byte;
      readable(() => decodeMetrics(damaged, wish));
    }),
    { numRuns: 2_000 },
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => readable(() => decodeMetrics(bytes, wish))));
  fc.assert(fc.property(fc.nat(text.length), (length) => readable(() => parseMetrics(text.slice(0, length), wish))));
  fc.assert(fc.property(fc.json(), (json) => readable(() => parseMetrics(json, wish))));
  t.throws(() => decodeMetrics(new Uint8Array(100_000).fill(0x0b), wish), {
    instanceOf: PushRefusal,
    message: /group/,
  });
  t.throws(() => parseMetrics('['.repeat(100_000), wish), { instanceOf: PushRefusal, message: /nested/ });
});

test('a malformed body is answered with a status of its own encoding', async (t) => {
  const made = await world(t);
  const json = await made.push('{"resourceMetrics":7}', jsonType, '/v1/metrics');
  t.deepEqual([json.status, json.body.code], [400, 3]);
  t.regex(json.body.message, /resourceMetrics/);
  const protobuf = await made.push(new Uint8Array([0x0a, 0xff]), protobufType, '/v1/metrics');
  t.is(protobuf.status, 400);
  const reader = Reader.create(protobuf.raw);
  t.deepEqual([reader.uint32(), reader.int32(), reader.uint32()], [8, 3, 18]);
  t.regex(reader.string(), /no ExportMetricsServiceRequest/);
  t.is((await made.push('{}', { 'content-type': 'text/plain' }, '/v1/metrics')).status, 415);
});

test('points without the attributes that are needed are rejected with what to select', async (t) => {
  const made = await world(t);
  const defaults = { direction: 'request', 'k8s.src.owner.name': 'web', 'k8s.dst.owner.name': 'cart' };
  const nobody = { direction: 'request', transport: 'TCP', 'server.port': 80 };
  const points = [defaults, nobody, cartToDb].map((attributes) => ({ attributes, timeMs: nowMs(), value: 5 }));
  const gauge = metric([{ attributes: cartToDb, timeMs: nowMs(), value: 5 }], { monotonic: false });
  const { body } = await made.push(otlpJson([metric(points), gauge]), jsonType, '/v1/metrics');
  t.is(body.partialSuccess.rejectedDataPoints, '3');
  t.regex(
    body.partialSuccess.errorMessage,
    /transport is missing: select it for obi_network_flow_bytes \(docs\/sources\.md/,
  );
  t.regex(body.partialSuccess.errorMessage, /neither k8s\.src\.owner\.name .* nor src\.address/);
  t.regex(body.partialSuccess.errorMessage, /monotonic sum/);
  t.deepEqual(made.seen(), ['web>cart:TCP/5432 0']);

  const protobuf = await made.push(otlpProtobuf([metric([points[0] as SentPoint])]), protobufType, '/v1/metrics');
  const reader = Reader.create(Reader.create(protobuf.raw.subarray(1)).bytes());
  t.deepEqual([reader.uint32(), Number(reader.int64())], [8, 1]);
});

function point(
  facts: Partial<CounterPoint> & { readonly more?: Readonly<Record<string, string | number>> } = {},
): CounterPoint {
  const { more = {}, ...rest } = facts;
  const attributes = Object.entries({ ...cartToDb, ...more }).map(([key, value]): [string, string] => [
    key,
    String(value),
  ]);
  return {
    metric: obi,
    temporality: 'cumulative',
    startMs: 1_000,
    timeMs: 61_000,
    value: 100,
    attributes: new Map(attributes),
    resource: new Map(),
    ...rest,
  };
}

test('what was only ever sent is shown and is no evidence; what came back proves that it passed', async (t) => {
  const made = await world(t);
  const sent = { attributes: cartToDb, timeMs: nowMs(), value: 60 };
  await made.push(otlpJson([metric([sent])]), jsonType, '/v1/metrics');
  await made.push(otlpJson([metric([{ ...sent, value: 120 }])]), jsonType, '/v1/metrics');
  t.deepEqual(made.seen(), ['web>cart:TCP/5432 0']);
  await made.push(otlpJson([metric([{ ...sent, attributes: answers(cartToDb) }])]), jsonType, '/v1/metrics');
  t.deepEqual(made.seen(), ['web>cart:TCP/5432 1']);
});

test('only what a counter has grown by counts: not idle series, repeated or late points', (t) => {
  const flows = new NetworkFlowPoints();
  const bytes = (facts: Partial<CounterPoint>, sender = 'a') => flows.flowOf(sender, point(facts))?.bytes;
  t.is(bytes({ value: 100 }), 100);
  t.is(bytes({ value: 100 }), undefined, 'the same again');
  t.is(bytes({ value: 100, timeMs: 121_000 }), undefined, 'idle');
  t.is(bytes({ value: 150, timeMs: 181_000 }), 50);
  t.is(bytes({ value: 120, timeMs: 151_000 }), undefined, 'late');
  t.is(bytes({ value: 160, timeMs: 241_000 }), 10);
  t.is(bytes({ value: 40, timeMs: 301_000, startMs: 250_000 }), 40, 'it began anew');
  t.is(bytes({ value: 170, timeMs: 245_000 }), undefined, 'of before it began anew');
  t.is(bytes({ value: 170, timeMs: 245_000 }, 'b'), 0, 'another sender has counters of its own');
});

test('a counter without a start began anew when it is less; deltas are what they are', (t) => {
  const flows = new NetworkFlowPoints();
  const bytes = (facts: Partial<CounterPoint>) => flows.flowOf('a', point({ startMs: 0, ...facts }))?.bytes;
  t.deepEqual([bytes({ value: 100 }), bytes({ value: 30, timeMs: 70_000 })], [100, 30]);
  const delta = (facts: Partial<CounterPoint>) =>
    bytes({ temporality: 'delta', metric: 'beyla.network.flow.bytes', ...facts });
  t.deepEqual(
    [
      delta({ value: 30 }),
      delta({ value: 30 }),
      delta({ value: 30, timeMs: 70_000 }),
      delta({ value: 0, timeMs: 80_000 }),
    ],
    [30, undefined, 30, undefined],
    'a point that comes twice is one',
  );
});

test('what both nodes of a path report is counted once, until one of them is silent', (t) => {
  const flows = new NetworkFlowPoints();
  const seen = (node: string, timeMs: number, value: number) => {
    const flow = flows.flowOf('collector', point({ more: { ...answers(cartToDb), 'obi.ip': node }, timeMs, value }));
    return [flow?.connections, flow?.bytes];
  };
  t.deepEqual(seen('192.0.2.1', 60_000, 100), [1, 100]);
  t.deepEqual(seen('192.0.2.2', 61_000, 100), [0, 0]);
  t.deepEqual(seen('192.0.2.1', 120_000, 150), [1, 50]);
  t.deepEqual(seen('192.0.2.2', 121_000, 150), [0, 0]);
  t.deepEqual(seen('192.0.2.2', 121_000 + 11 * minuteMs, 190), [1, 40]);
});

test('who the sides are, as the exporter names them', (t) => {
  const flowOf = (more: Readonly<Record<string, string | number>>) =>
    new NetworkFlowPoints().flowOf('a', point({ more }));
  const web = { ip: '10.244.0.1', namespace: 'shop', pod: 'web-1', workload: { kind: 'Deployment', name: 'web' } };
  t.deepEqual(flowOf({})?.client, { ...unnamedPeer, ...web });
  t.like(flowOf({}), { directed: true, port: 5432, protocol: 6, verdict: 'none', connections: 0 });
  const service = flowOf({
    'k8s.dst.type': 'Service',
    'k8s.dst.name': 'cart',
    'dst.address': '10.96.0.9',
    'server.port': 80,
  });
  t.deepEqual(service?.server, { ...unnamedPeer, service: { namespace: 'shop', name: 'cart' } });
  t.deepEqual(service?.addressed, { ip: '10.96.0.9', port: 80 });
  const node = flowOf({ 'k8s.src.type': 'Node', 'k8s.src.name': 'n1', 'k8s.src.owner.type': 'Node' });
  t.deepEqual(node?.client, { ...unnamedPeer, ip: '10.244.0.1', node: 'n1' });
  const outside = { 'k8s.dst.namespace': '', 'k8s.dst.name': '', 'k8s.dst.type': '', 'dst.address': '203.0.113.7' };
  t.deepEqual(
    flowOf({ ...outside, 'dst.name': 'named.by.whom.ever', 'k8s.dst.owner.name': '', 'k8s.dst.owner.type': '' })
      ?.server,
    {
      ...unnamedPeer,
      ip: '203.0.113.7',
    },
  );
  const ownersOnly = flowOf({ 'k8s.dst.name': '', 'k8s.dst.type': '', 'dst.address': '' });
  t.deepEqual(ownersOnly?.server, {
    ...unnamedPeer,
    namespace: 'shop',
    workload: { kind: 'Deployment', name: 'cart' },
  });
});

test('who opened a connection is known only from requests and responses with a port', (t) => {
  const directed = (more: Readonly<Record<string, string | number>>) =>
    new NetworkFlowPoints().flowOf('a', point({ more }))?.directed;
  t.true(directed({}));
  t.false(directed({ direction: 'unknown' }));
  t.false(directed({ direction: '255' }));
  t.false(directed({ 'server.port': 0 }));
});

test('points of the future are missing from their node, and are no flows', async (t) => {
  const made = await world(t);
  const resource = { 'k8s.node.name': 'n2' };
  const ahead = metric([{ attributes: cartToDb, timeMs: Date.now() + 60 * minuteMs, value: 5 }], { resource });
  const { body } = await made.push(otlpJson([ahead]), jsonType, '/v1/metrics');
  t.regex(body.partialSuccess.errorMessage, /60 min ahead/);
  t.is(made.graph.size, 0);
  t.deepEqual(
    made.graph
      .observation()
      .losses.map(({ source, node, periods }) => [source, node, ...periods.map(({ lost }) => lost)]),
    [['opentelemetry', 'n2', 1]],
  );
});
