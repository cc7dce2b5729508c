import test from 'ava';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import type { AttributedPeer, Sighting } from '../../controller/model/sighting.ts';
import { workloadKey } from '../../controller/model/workload.ts';

const binMs = 300_000;
const startMs = 1_800_000_000_000;
const peer = (name: string, node: string): AttributedPeer => ({
  endpoint: { kind: 'workload', workload: workloadKey({ namespace: 'shop', kind: 'Deployment', name }) },
  replica: 1,
  node,
});
const [web, cart] = [peer('web', 'node-a'), peer('cart', 'node-b')];

/** A sum of one interval, as an agent makes it. */
function sum(facts: Partial<Sighting> = {}): Sighting {
  return {
    timeMs: startMs,
    endMs: startMs + 4_000,
    clientPort: 0,
    protocol: 6,
    directed: true,
    verdict: 'allowed',
    answered: true,
    connections: 3,
    bytes: 300,
    source: 'conntrack',
    client: web,
    server: cart,
    port: 8080,
    clientIp: '10.244.1.10',
    serverDnsNames: undefined,
    ...facts,
  };
}

function counted(...reports: readonly (readonly [node: string, facts?: Partial<Sighting>])[]) {
  const graph = new TrafficGraph({ binMs });
  for (const [node, facts] of reports) graph.observe(sum(facts), node);
  const [connection] = [...graph.connections()];
  return [connection?.evidence.allowed, connection?.evidence.bytes];
}

test("what both nodes of a connection report is counted as the client's node does", (t) => {
  t.deepEqual(counted(['node-a'], ['node-b'], ['node-a'], ['node-b']), [6, 600]);
  const minuteLater = { timeMs: startMs + 60_000, endMs: startMs + 64_000 };
  t.deepEqual(counted(['node-a'], ['node-b', minuteLater]), [3, 300]);
});

test("without a word of the client's node the server's node is believed", (t) => {
  t.deepEqual(counted(['node-b'], ['node-b']), [6, 600]);
  const later = { timeMs: startMs + 3 * binMs, endMs: startMs + 3 * binMs };
  t.deepEqual(counted(['node-a'], ['node-b', later]), [6, 600], 'it has fallen silent');
});

test('a connection that only the second side saw is evidence nevertheless', (t) => {
  const graph = new TrafficGraph({ binMs });
  graph.observe(sum({ port: 9 }), 'node-a');
  graph.observe(sum(), 'node-b');
  graph.observe(sum(), 'node-b');
  const seen = [...graph.connections()].map(({ port, evidence }) => [port, evidence.allowed]);
  t.deepEqual(seen, [
    [9, 3],
    [8080, 3],
  ]);
});

test('a node that is itself the client counts for itself', (t) => {
  const client: AttributedPeer = { endpoint: { kind: 'node', name: 'node-a' }, replica: 0 };
  t.deepEqual(counted(['node-a', { client }], ['node-b', { client }]), [3, 300]);
});

test('connections on one node, of clients on no node, and of other sources are counted as they come', (t) => {
  t.deepEqual(
    counted(['node-a', { server: peer('cart', 'node-a') }], ['node-a', { server: peer('cart', 'node-a') }]),
    [6, 600],
  );
  const outside: AttributedPeer = { endpoint: { kind: 'external', address: '203.0.113.9' }, replica: 0 };
  t.deepEqual(counted(['node-a', { client: outside }], ['node-b', { client: outside }]), [6, 600]);
  t.deepEqual(counted(['node-a', { source: 'goldmane' }], ['node-b', { source: 'goldmane' }]), [6, 600]);
});
