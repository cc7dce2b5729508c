import test from 'ava';
import type { Flow } from '../../../controller/model/flow.ts';
import { jsonLines, readText } from './read-text.ts';

const client = { addr: '10.244.1.10', version: 4, port: 41464, proto: 'TCP' };
const clientPod = { ...client, k8s: { kind: 'pod', name: 'cart-1', namespace: 'shop', labels: 'app=cart,tier=front' } };
const server = { addr: '10.244.2.20', version: 4, port: 8080, proto: 'TCP' };
const service = {
  ...server,
  addr: '10.96.0.50',
  port: 80,
  k8s: { kind: 'svc', name: 'web', namespace: 'shop', labels: 'app=web' },
};
const time = { timestamp: '2026-07-31T18:38:31.977700392Z', timestamp_raw: 1785523111977 };
const cart = {
  namespace: 'shop',
  node: 'n1',
  podName: 'cart-1',
  podLabels: 'app=cart',
  hostnetwork: false,
  owner: { kind: 'Deployment', name: 'cart' },
};
const web = {
  ...cart,
  node: 'n2',
  podName: 'web-1',
  podLabels: { app: 'web' },
  owner: { kind: 'Deployment', name: 'web' },
};
const connect = { type: 'connect', type_raw: 0, src: clientPod, dst: service, error: '', k8s: cart, fd: 5, ...time };

test('a connect to a Service is addressed to the Service, and its backend is not known', async (t) => {
  const [flow] = (await readText(jsonLines(connect))).flows as [Flow];
  t.like(flow, {
    timeMs: 1785523111977,
    clientPort: 41464,
    port: 80,
    protocol: 6,
    directed: true,
    verdict: 'allowed',
    answered: true,
    connections: 1,
    source: 'inspektor-gadget',
    node: 'n1',
  });
  t.deepEqual(flow.addressed, { ip: '10.96.0.50', port: 80 });
  t.deepEqual([flow.server.service, flow.server.ip], [{ namespace: 'shop', name: 'web' }, undefined]);
  t.like(flow.client, { ip: '10.244.1.10', namespace: 'shop', pod: 'cart-1', labels: ['app=cart'], node: undefined });
  t.deepEqual(flow.client.workload, { kind: 'Deployment', name: 'cart' });
});

test('an accept is turned round: the local side listens', async (t) => {
  const accept = { ...connect, type: 'accept', type_raw: 1, src: server, dst: clientPod, k8s: web };
  const [flow] = (await readText(jsonLines(accept))).flows as [Flow];
  t.deepEqual([flow.clientPort, flow.port, flow.answered, flow.addressed], [41464, 8080, true, undefined]);
  t.like(flow.client, { pod: 'cart-1', labels: ['app=cart', 'tier=front'], ip: '10.244.1.10' });
  t.like(flow.server, { pod: 'web-1', labels: ['app=web'], ip: '10.244.2.20' });
});

test('a failed connect is no evidence of an answer, one under way says nothing', async (t) => {
  const { flows } = await readText(
    jsonLines({ ...connect, error: 'ECONNREFUSED' }, { ...connect, error: 'EINPROGRESS' }),
  );
  t.deepEqual(
    flows.map(({ verdict, answered }) => [verdict, answered]),
    [
      ['none', false],
      ['none', undefined],
    ],
  );
});

test('closes, failed accepts and traffic inside a pod are skipped', async (t) => {
  const loopback = { addr: '127.0.0.1', version: 4, port: 9000 };
  const { flows, skipped, rejected } = await readText(
    jsonLines(
      { ...connect, type: 'close', type_raw: 2 },
      { ...connect, type: 'accept', error: 'EAGAIN' },
      { ...connect, src: { ...loopback, port: 1 }, dst: loopback },
    ),
  );
  t.deepEqual([flows.length, skipped, rejected], [0, 3, []]);
});

test('the layout of 2024: flat process, protocol numbers, no names of the peer', async (t) => {
  const old = {
    comm: 'wget',
    pid: 1,
    dst: { addr: '192.0.2.80', port: 80, proto: 6, version: 4 },
    src: { addr: '10.244.0.8', port: 41464, proto: 6, version: 4 },
    k8s: { containerName: 'c', hostnetwork: false, namespace: 'default', node: 'minikube', podName: 'mypod2' },
    timestamp: '2024-07-31T13:38:31.977700392-05:00',
    type: 'connect',
    type_raw: 0,
  };
  const [flow] = (await readText(jsonLines(old))).flows as [Flow];
  t.like(flow, { timeMs: Date.UTC(2024, 6, 31, 18, 38, 31, 977), port: 80, node: 'minikube', answered: true });
  t.like(flow.client, { pod: 'mypod2', namespace: 'default' });
  t.like(flow.server, { ip: '192.0.2.80', pod: undefined });
});

test('nanoseconds beyond what a JSON number holds are read exactly', async (t) => {
  const line = JSON.stringify({ ...connect, timestamp: undefined, timestamp_raw: 1 }).replace(
    '"timestamp_raw":1',
    '"timestamp_raw":1722451111999999999',
  );
  t.is((await readText(line)).flows[0]?.timeMs, 1722451111999);
});

test('a pod on the host network is on its node', async (t) => {
  const [flow] = (await readText(jsonLines({ ...connect, k8s: { ...cart, hostnetwork: true } }))).flows as [Flow];
  t.is(flow.client.node, 'n1');
});

test('the former trace network: outgoing is egress, HOST is ingress to the local port, UDP has no direction', async (t) => {
  const event = {
    type: 'normal',
    k8s: { node: 'minikube', namespace: 'shop', podname: 'cart-1' },
    pktType: 'OUTGOING',
    proto: 'tcp',
    port: 443,
    dst: { kind: 'svc', addr: '10.96.0.1', namespace: 'default', name: 'kubernetes' },
  };
  const { flows, skipped } = await readText(
    jsonLines(
      event,
      {
        ...event,
        pktType: 'HOST',
        port: 8080,
        dst: { kind: 'pod', addr: '10.0.0.9', namespace: 'shop', name: 'web-1' },
      },
      { ...event, proto: 'udp', port: 53, dst: { kind: 'other', addr: '192.0.2.53' } },
      { ...event, pktType: 'BROADCAST' },
      { type: 'debug', message: 'tracer attached' },
    ),
    { timeMs: 1_800_000_000_000 },
  );
  t.deepEqual(
    flows.map(({ timeMs, client, server, port, addressed, directed }) => [
      timeMs,
      client.pod,
      server.service?.name ?? server.pod ?? server.ip,
      port,
      addressed?.port,
      directed,
    ]),
    [
      [1_800_000_000_000, 'cart-1', 'kubernetes', 443, 443, true],
      [1_800_000_000_000, 'web-1', 'cart-1', 8080, undefined, true],
      [1_800_000_000_000, 'cart-1', '192.0.2.53', 53, undefined, false],
    ],
  );
  t.is(skipped, 2);
});

test('the warning of an overflowing buffer is a loss', async (t) => {
  const { losses, rejected } = await readText(
    `${JSON.stringify(connect)}\nlevel=warning msg="reading event: lost 12 samples"\n`,
  );
  t.deepEqual([losses.map(({ events, kind }) => [events, kind]), rejected], [[[12, 'lost']], []]);
});

test('a wrong field rejects the event', async (t) => {
  const cases: readonly (readonly [object, string])[] = [
    [{ type: 'listen' }, 'type: unknown event "listen"'],
    [{ dst: { ...server, port: 99999 } }, 'port: expected a port from 0 to 65535, got 99999'],
    [{ src: { ...client, addr: 'localhost' } }, 'src.addr: expected an IP address, got "localhost"'],
    [{ src: { ...client, proto: 'carrier pigeon' } }, 'proto: expected a protocol, got "carrier pigeon"'],
  ];
  for (const [change, reason] of cases) {
    t.deepEqual((await readText(jsonLines(connect, { ...connect, ...change }))).rejected, [{ where: '2', reason }]);
  }
});
