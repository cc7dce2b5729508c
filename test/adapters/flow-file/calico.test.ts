import test from 'ava';
import type { Flow } from '../../../controller/model/flow.ts';
import { jsonLines, readText } from './read-text.ts';

const record = {
  start_time: 1785523110,
  end_time: 1785523125,
  source_ip: null,
  source_name: '-',
  source_name_aggr: 'cart-755cdc7957-*',
  source_namespace: 'shop',
  source_port: null,
  source_type: 'wep',
  source_labels: { labels: ['app=cart', 'pod-template-hash=755cdc7957'] },
  dest_ip: null,
  dest_name: '-',
  dest_name_aggr: 'redis-*',
  dest_namespace: 'shop',
  dest_port: 6379,
  dest_type: 'wep',
  dest_labels: { labels: ['app=redis'] },
  dest_service_namespace: 'shop',
  dest_service_name: 'redis',
  dest_service_port: 'tcp',
  dest_service_port_num: 6379,
  dest_domains: null,
  proto: 'tcp',
  action: 'allow',
  reporter: 'src',
  policies: { all_policies: ['0|__PROFILE__|__PROFILE__.kns.shop|allow|0'] },
  bytes_in: 1000,
  bytes_out: 500,
  num_flows: 7,
  packets_in: 10,
  packets_out: 12,
  host: 'worker-1',
};

async function flowsOf(...changes: readonly object[]): Promise<Flow[]> {
  return (await readText(jsonLines(...changes.map((change) => ({ ...record, ...change }))))).flows;
}

test('an aggregate keeps its interval, its pod prefixes and its counters', async (t) => {
  const [flow] = (await flowsOf({})) as [Flow];
  t.deepEqual([flow.timeMs, flow.endMs], [1785523110000, 1785523125000]);
  t.deepEqual([flow.client.namespace, flow.client.pod, flow.client.podPrefix], ['shop', undefined, 'cart-755cdc7957-']);
  t.deepEqual([flow.server.podPrefix, flow.server.labels, flow.server.service], ['redis-', ['app=redis'], undefined]);
  t.deepEqual([flow.port, flow.clientPort, flow.protocol, flow.directed], [6379, 0, 6, true]);
  t.deepEqual([flow.connections, flow.bytes, flow.answered], [7, 1500, true]);
  t.deepEqual([flow.verdict, flow.source, flow.node], ['allowed', 'calico', 'worker-1']);
});

test('both ends report one connection and one of them counts, whichever comes first', async (t) => {
  const source = { reporter: 'src' };
  const destination = { reporter: 'dst', packets_in: 12, packets_out: 10 };
  for (const order of [
    [source, destination, source, destination],
    [destination, source, destination, source],
    [destination, destination],
    [source, source],
  ]) {
    const flows = await flowsOf(...order);
    t.is(flows.length, order.length);
    t.is(
      flows.reduce((sum, { connections }) => sum + connections, 0),
      14,
    );
    t.is(
      flows.reduce((sum, { bytes }) => sum + bytes, 0),
      3000,
    );
  }
});

test('what the client side allowed and nobody answered is left to the report of the other side', async (t) => {
  const unanswered = { packets_in: 0, bytes_in: 0 };
  const { flows, skipped } = await readText(jsonLines({ ...record, ...unanswered }));
  t.deepEqual([flows.length, skipped], [0, 1]);
  const denied = await flowsOf(unanswered, { reporter: 'dst', action: 'deny', packets_in: 5, packets_out: 0 });
  t.deepEqual(
    denied.map(({ verdict, answered }) => [verdict, answered]),
    [['denied', undefined]],
  );
  const outside = await flowsOf({ ...unanswered, dest_type: 'net', dest_name_aggr: 'pub', dest_namespace: '-' });
  t.deepEqual(
    outside.map(({ verdict, answered }) => [verdict, answered]),
    [['allowed', false]],
  );
});

test('a denial by either side is denied', async (t) => {
  const flows = await flowsOf(
    { action: 'deny' },
    { action: 'deny', reporter: 'dst' },
    { action: 'deny', reporter: 'fwd' },
  );
  t.deepEqual(
    flows.map(({ verdict }) => verdict),
    ['denied', 'denied', 'denied'],
  );
});

test('forwarding hosts repeat what the ends report, and are skipped', async (t) => {
  const { flows, skipped } = await readText(
    jsonLines({ ...record, reporter: 'fwd' }, { ...record, reporter: 'dst, fwd' }),
  );
  t.deepEqual([flows.length, skipped], [1, 1]);
});

test('networks, network sets and hosts are what they are', async (t) => {
  const serverOf = async (change: object) => ((await flowsOf(change)) as [Flow])[0].server;
  const network = { dest_type: 'net', dest_namespace: '-', dest_name_aggr: 'pub', dest_labels: null };
  t.like(await serverOf(network), { reserved: 'world', ip: undefined, pod: undefined, labels: undefined });
  t.like(await serverOf({ ...network, dest_ip: '192.0.2.1' }), { reserved: 'world', ip: '192.0.2.1' });
  t.like(await serverOf({ ...network, dest_ip: '2001:db8::1' }), { reserved: undefined, ip: '2001:db8::1' });
  t.like(await serverOf({ ...network, dest_name_aggr: 'pvt' }), {
    reserved: undefined,
    ip: undefined,
    service: { namespace: 'shop', name: 'redis' },
  });
  t.like(await serverOf({ ...network, dest_type: 'ns', dest_name_aggr: 'partners' }), {
    pod: undefined,
    node: undefined,
  });
  t.like(await serverOf({ ...network, dest_type: 'hep', dest_name_aggr: 'worker-2' }), {
    node: 'worker-2',
    pod: undefined,
  });
});

test('a name without a star is one pod, also when only the aggregate is there', async (t) => {
  const [aggregated, exact] = (await flowsOf(
    { source_name_aggr: 'multitool' },
    { source_name: 'cart-755cdc7957-abcde', source_ip: '10.0.0.9', source_port: 42106 },
  )) as [Flow, Flow];
  t.deepEqual([aggregated.client.pod, aggregated.client.podPrefix], ['multitool', undefined]);
  t.like(exact.client, { pod: 'cart-755cdc7957-abcde', podPrefix: undefined, ip: '10.0.0.9' });
  t.is(exact.clientPort, 42106);
});

test('a wrong field rejects the line', async (t) => {
  const cases: readonly (readonly [object, string])[] = [
    [{ action: 'maybe' }, 'action: expected "allow" or "deny", got "maybe"'],
    [{ dest_type: 'pod' }, 'dest_type: expected "wep", "hep", "ns" or "net", got "pod"'],
    [{ end_time: 1785523100 }, 'end_time lies before start_time'],
    [{ start_time: 'yesterday' }, 'start_time: expected seconds since 1970, got "yesterday"'],
    [{ proto: 'quic' }, 'proto: expected a protocol, got "quic"'],
    [{ dest_port: -1 }, 'dest_port: expected a port from 0 to 65535, got -1'],
    [{ num_flows: 1.5 }, 'num_flows: expected a whole number, got 1.5'],
  ];
  for (const [change, reason] of cases) {
    t.deepEqual((await readText(jsonLines(record, { ...record, ...change }))).rejected, [{ where: '2', reason }]);
  }
});
