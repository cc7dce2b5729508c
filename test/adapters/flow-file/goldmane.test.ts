import test from 'ava';
import type { Flow } from '../../../controller/model/flow.ts';
import { jsonLines, readText } from './read-text.ts';

const key = {
  source_name: 'cart-7c9f8d-*',
  source_namespace: 'shop',
  source_type: 'WorkloadEndpoint',
  dest_name: 'redis-0',
  dest_namespace: 'shop',
  dest_type: 'WorkloadEndpoint',
  dest_port: 6379,
  dest_service_name: 'redis',
  dest_service_namespace: 'shop',
  proto: 'tcp',
  reporter: 'Src',
  action: 'Allow',
};
const counters = { packets_in: 12, packets_out: 10, bytes_in: 1500, bytes_out: 900, num_connections_started: 2 };
const interval = { start_time: 1785523110, end_time: 1785523125 };

function result(keyChange: object = {}, change: object = {}): object {
  return {
    id: 1,
    flow: { Key: { ...key, ...keyChange }, ...interval, source_labels: ['app=cart'], ...counters, ...change },
  };
}

const whisker = {
  start_time: '2026-07-31T18:38:30Z',
  end_time: '2026-07-31T18:38:45Z',
  action: 'Allow',
  source_name: 'cart-7c9f8d-*',
  source_namespace: 'shop',
  source_labels: 'app=cart | tier=front',
  dest_name: 'redis-0',
  dest_namespace: 'shop',
  dest_labels: 'app=redis',
  protocol: 'tcp',
  dest_port: 6379,
  reporter: 'Dst',
  policies: { enforced: [], pending: [] },
  packets_in: 12,
  packets_out: 10,
  bytes_in: 1500,
  bytes_out: 900,
};

test('a FlowResult is a directed flow to the port of the pod', async (t) => {
  const [flow] = (await readText(jsonLines(result()))).flows as [Flow];
  t.like(flow, {
    timeMs: 1785523110000,
    endMs: 1785523125000,
    port: 6379,
    protocol: 6,
    directed: true,
    verdict: 'allowed',
    answered: true,
    connections: 2,
    bytes: 2400,
    source: 'goldmane',
  });
  t.like(flow.client, { namespace: 'shop', podPrefix: 'cart-7c9f8d-', pod: undefined, labels: ['app=cart'] });
  t.like(flow.server, { namespace: 'shop', pod: 'redis-0', service: undefined, ip: undefined });
});

test('camel case, numbers for enums and 64-bit integers as text read the same', async (t) => {
  const usual = (await readText(jsonLines(result()))).flows;
  const protojson = {
    id: '1',
    flow: {
      Key: {
        sourceName: 'cart-7c9f8d-*',
        sourceNamespace: 'shop',
        sourceType: 1,
        destName: 'redis-0',
        destNamespace: 'shop',
        destType: 1,
        destPort: '6379',
        proto: 'tcp',
        reporter: 1,
        action: 1,
      },
      startTime: '1785523110',
      endTime: '1785523125',
      sourceLabels: ['app=cart'],
      packetsIn: '12',
      packetsOut: '10',
      bytesIn: '1500',
      bytesOut: '900',
      numConnectionsStarted: '2',
    },
  };
  t.deepEqual((await readText(jsonLines(protojson))).flows, usual);
});

test('both reporters of one connection count once', async (t) => {
  const { flows } = await readText(
    jsonLines(result(), result({ reporter: 'Dst' }), result(), result({ reporter: 'Dst' })),
  );
  t.deepEqual(
    flows.map(({ connections, bytes }) => [connections, bytes]),
    [
      [2, 2400],
      [0, 0],
      [2, 2400],
      [0, 0],
    ],
  );
});

test('a denial at the destination is denied although the source allowed it', async (t) => {
  const { flows, skipped } = await readText(
    jsonLines(
      result({}, { packets_in: undefined, bytes_in: undefined }),
      result({ reporter: 'Dst', action: 'Deny' }, { packets_out: undefined }),
    ),
  );
  t.deepEqual(
    flows.map(({ verdict }) => verdict),
    ['denied'],
  );
  t.is(skipped, 1);
});

test('the world is the world, with or without a type', async (t) => {
  const { flows } = await readText(
    jsonLines(
      result({ source_name: 'pub', source_namespace: '', source_type: 'Network', reporter: 'Dst' }),
      { ...whisker, source_name: 'PUBLIC NETWORK', source_namespace: '-', source_labels: '' },
      { ...whisker, source_name: 'PRIVATE NETWORK', source_namespace: '-', source_labels: '' },
      { ...whisker, source_name: 'worker-1', source_namespace: '', source_labels: '' },
    ),
  );
  t.deepEqual(
    flows.map(({ client }) => [client.reserved, client.pod, client.podPrefix, client.node]),
    [
      ['world', undefined, undefined, undefined],
      ['world', undefined, undefined, undefined],
      [undefined, undefined, undefined, undefined],
      [undefined, undefined, undefined, undefined],
    ],
  );
});

test("Whisker's objects, lists and event streams are read", async (t) => {
  const [flow] = (await readText(jsonLines(whisker))).flows as [Flow];
  t.like(flow, {
    timeMs: 1785523110000,
    endMs: 1785523125000,
    port: 6379,
    connections: 1,
    bytes: 2400,
    answered: true,
  });
  t.deepEqual(flow.client.labels, ['app=cart', 'tier=front']);
  t.is(flow.server.pod, 'redis-0');
  const list = await readText(JSON.stringify([whisker, { ...whisker, action: 'Perhaps' }, whisker]));
  t.deepEqual([list.flows.length, list.records], [2, 3]);
  t.deepEqual(list.rejected, [{ where: '1', reason: 'action: expected "Allow" or "Deny", got "Perhaps"' }]);
  const stream = await readText(`event: flow\ndata: ${JSON.stringify(whisker)}\n\n: still here\n\n`);
  t.deepEqual([stream.flows.length, stream.skipped, stream.rejected], [1, 2, []]);
});

test('a wrong field rejects the record', async (t) => {
  const cases: readonly (readonly [object, string])[] = [
    [result({ reporter: 'Both' }), 'reporter: expected "Src" or "Dst", got "Both"'],
    [result({ proto: '' }), 'proto: expected a protocol, got ""'],
    [result({ dest_port: 70000 }), 'dest_port: expected a port from 0 to 65535, got 70000'],
    [result({}, { start_time: null }), 'start_time: expected seconds since 1970, got nothing'],
    [result({}, { source_labels: [1] }), 'source_labels: expected a list of texts, got 1'],
  ];
  for (const [line, reason] of cases) {
    t.deepEqual((await readText(jsonLines(result(), line))).rejected, [{ where: '2', reason }]);
  }
});
