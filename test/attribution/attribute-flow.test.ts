import test from 'ava';
import { FlowAttributor } from '../../controller/attribution/attribute-flow.ts';
import { endpointId } from '../../controller/model/endpoint.ts';
import { type Flow, type FlowPeer, unnamedPeer } from '../../controller/model/flow.ts';
import { at, clusterOf, deploymentManifest, podManifest, serviceManifest } from '../adapters/inventory/_cluster-of.ts';
import { flow as plainFlow } from '../support/flows.ts';

const peer = (facts: Partial<FlowPeer>): FlowPeer => ({ ...unnamedPeer, ...facts });

function flow(client: Partial<FlowPeer>, server: Partial<FlowPeer>, facts: Partial<Flow> = {}): Flow {
  return plainFlow({
    timeMs: at(10),
    client: peer(client),
    server: peer(server),
    source: 'conntrack',
    node: '',
    ...facts,
  });
}

const attributorOf = (...manifests: readonly string[]) => new FlowAttributor(clusterOf(...manifests));

/** Where the flow went, as `endpoint port`. */
function servedBy(attributor: FlowAttributor, server: Partial<FlowPeer>, facts: Partial<Flow> = {}): string {
  const sighting = attributor.attribute(flow({ ip: '203.0.113.1' }, server, facts));
  return `${endpointId(sighting.server.endpoint)} ${sighting.port}`;
}

const webPod = podManifest({
  name: 'web-0',
  owner: 'StatefulSet/web',
  labels: { app: 'web' },
  start: 1,
  ips: ['10.0.0.1'],
});
const dbPod = podManifest({
  name: 'db-0',
  owner: 'StatefulSet/db',
  labels: { app: 'db' },
  start: 1,
  ips: ['10.0.0.2'],
});

test('the node of a pod is what its source says, or the inventory while that pod has its name', (t) => {
  const attributor = attributorOf(
    podManifest({ name: 'web-0', owner: 'StatefulSet/web', node: 'a', start: 5, ips: ['10.0.0.1'] }),
  );
  const nodeOf = (facts: Partial<Flow>) =>
    attributor.attribute(flow({ ip: '203.0.113.1' }, { namespace: 'shop', pod: 'web-0' }, facts)).server.node;
  t.is(nodeOf({}), 'a');
  t.is(nodeOf({ serverNode: 'b' }), 'b');
  t.is(nodeOf({ timeMs: at(3) }), undefined);
  t.is(nodeOf({ timeMs: at(3), serverNode: 'c' }), 'c');
  t.is(nodeOf({}), 'a');
});

test('an outside client whose address a node hides is that node, and a pod that leaves masqueraded stays itself', (t) => {
  const node = `
apiVersion: v1
kind: Node
metadata: {name: node-b}
status: {addresses: [{type: InternalIP, address: 192.0.2.12}]}`;
  const attributor = attributorOf(webPod, node);
  const clientOf = (client: string, server: string) => {
    const sighting = attributor.attribute(flow({ ip: client }, { ip: server }, { translatedClient: '192.0.2.12' }));
    return [endpointId(sighting.client.endpoint) as string, sighting.clientIp];
  };
  t.deepEqual(clientOf('203.0.113.9', '10.0.0.1'), ['node:node-b', '192.0.2.12']);
  t.deepEqual(clientOf('10.0.0.1', '203.0.113.9'), ['workload:shop/StatefulSet/web', '10.0.0.1']);
});

test('an outside client that the own node of the pod hides stays itself, as the policies there see it', (t) => {
  const node = `
apiVersion: v1
kind: Node
metadata: {name: a}
status: {addresses: [{type: InternalIP, address: 192.0.2.11}]}`;
  const attributor = attributorOf(
    podManifest({ name: 'web-0', owner: 'StatefulSet/web', node: 'a', ips: ['10.0.0.1'] }),
    node,
  );
  const hidden = flow({ ip: '203.0.113.9' }, { ip: '10.0.0.1' }, { translatedClient: '192.0.2.11' });
  const { client, clientIp } = attributor.attribute(hidden);
  t.deepEqual([endpointId(client.endpoint) as string, clientIp], ['external:203.0.113.9', '203.0.113.9']);
});

test('a named pod is its workload, and every pod is another replica', (t) => {
  const second = podManifest({ name: 'web-1', owner: 'StatefulSet/web', ips: ['10.0.0.3'] });
  const attributor = attributorOf(webPod, second);
  const one = attributor.attribute(flow({ namespace: 'shop', pod: 'web-0' }, { namespace: 'shop', pod: 'web-1' }));
  t.is(endpointId(one.client.endpoint), 'workload:shop/StatefulSet/web' as never);
  t.is(endpointId(one.server.endpoint), 'workload:shop/StatefulSet/web' as never);
  t.not(one.client.replica, one.server.replica);
  t.not(one.client.replica, 0);
});

test('the same pod is the same object again, by name and by address', (t) => {
  const attributor = attributorOf(webPod);
  const named = attributor.attribute(flow({ namespace: 'shop', pod: 'web-0' }, { ip: '203.0.113.1' }));
  const addressed = attributor.attribute(flow({ ip: '10.0.0.1' }, { ip: '203.0.113.1' }));
  t.is(named.client, addressed.client);
  t.is(named.server, addressed.server);
});

test('the name wins over the address, and the contradiction is counted', (t) => {
  const attributor = attributorOf(webPod, dbPod);
  t.is(servedBy(attributor, { namespace: 'shop', pod: 'web-0', ip: '10.0.0.1' }), 'workload:shop/StatefulSet/web 8080');
  t.is(attributor.counters.contradictions, 0);
  t.is(servedBy(attributor, { namespace: 'shop', pod: 'web-0', ip: '10.0.0.2' }), 'workload:shop/StatefulSet/web 8080');
  t.deepEqual(attributor.counters, { flows: 2, contradictions: 1 });
});

test('another spelling of the same address is no contradiction', (t) => {
  const attributor = attributorOf(podManifest({ name: 'web-0', ips: ['fd00::1'] }));
  servedBy(attributor, { namespace: 'shop', pod: 'web-0', ip: 'FD00:0::1' });
  t.is(attributor.counters.contradictions, 0);
});

test('a pod that is not in the inventory is the workload that the source names', (t) => {
  const attributor = attributorOf(deploymentManifest('web'));
  const named = { namespace: 'shop', pod: 'web-5d4-zzzzz', workload: { kind: 'deployment', name: 'web' } };
  t.is(servedBy(attributor, named), 'workload:shop/Deployment/web 8080');
  t.not(attributor.attribute(flow(named, named)).client.replica, 0);
});

test('a ReplicaSet that the source names is its Deployment', (t) => {
  const attributor = attributorOf(deploymentManifest('web'));
  const named = { namespace: 'shop', workload: { kind: 'ReplicaSet', name: 'web-7c9f8d6b5' } };
  t.is(servedBy(attributor, named), 'workload:shop/Deployment/web 8080');
});

test("the beginning of pod names finds the workload of the inventory's pods, or the owner of that name", (t) => {
  const attributor = attributorOf(
    webPod,
    deploymentManifest('api'),
    deploymentManifest('ds', { kind: 'DaemonSet' }),
    'apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: report, namespace: shop}\nspec: {schedule: "0 3 * * *", jobTemplate: {spec: {template: {spec: {containers: [{name: c}]}}}}}',
  );
  const by = (podPrefix: string) => servedBy(attributor, { namespace: 'shop', podPrefix });
  t.is(by('web-'), 'workload:shop/StatefulSet/web 8080');
  t.is(by('api-7c9f8d-'), 'workload:shop/Deployment/api 8080');
  t.is(by('ds-'), 'workload:shop/DaemonSet/ds 8080');
  t.is(by('report-29384756-'), 'workload:shop/CronJob/report 8080');
  t.is(by('report-nightly-'), 'unknown:not-in-inventory:shop/report-nightly- 8080');
  t.is(by('api-'), 'unknown:not-in-inventory:shop/api- 8080');
});

test('a beginning that fits two owners is ambiguous', (t) => {
  const attributor = attributorOf(deploymentManifest('web'), deploymentManifest('web-5d4', { kind: 'DaemonSet' }));
  t.is(servedBy(attributor, { namespace: 'shop', podPrefix: 'web-5d4-' }), 'unknown:ambiguous:shop/web-5d4- 8080');
});

test('labels find the one workload of the namespace whose selector they match, whatever their prefix', (t) => {
  const attributor = attributorOf(deploymentManifest('web'), deploymentManifest('web', { namespace: 'other' }));
  const labels = ['k8s:app=web', 'k8s:io.kubernetes.pod.namespace=shop', 'pod-template-hash=7c9'];
  t.is(servedBy(attributor, { namespace: 'shop', pod: 'x-1', labels }), 'workload:shop/Deployment/web 8080');
  t.is(
    servedBy(attributor, { namespace: 'shop', labels: ['app=db'], pod: 'y' }),
    'unknown:not-in-inventory:shop/y 8080',
  );
});

test('labels that match two selectors are ambiguous; two releases of a chart are told apart by theirs', (t) => {
  const release = (name: string, instance: string) =>
    deploymentManifest(name, { labels: { 'app.kubernetes.io/name': 'web', 'app.kubernetes.io/instance': instance } });
  const attributor = attributorOf(
    release('a', 'a'),
    release('b', 'b'),
    deploymentManifest('c', { labels: { x: '1' } }),
    deploymentManifest('d', { labels: { x: '1' } }),
  );
  const by = (...labels: string[]) => servedBy(attributor, { namespace: 'shop', pod: 'p', labels });
  t.is(by('app.kubernetes.io/name=web', 'app.kubernetes.io/instance=b'), 'workload:shop/Deployment/b 8080');
  t.is(by('app.kubernetes.io/name=web'), 'unknown:not-in-inventory:shop/p 8080');
  t.is(by('x=1'), 'unknown:ambiguous:shop/p 8080');
});

test('a pod that nobody knows is unknown, even at an address that another pod has', (t) => {
  t.is(
    servedBy(attributorOf(webPod), { namespace: 'shop', pod: 'gone', ip: '10.0.0.1' }),
    'unknown:not-in-inventory:shop/gone 8080',
  );
});

test('a hostNetwork pod is its node, by name and by workload', (t) => {
  const agent = podManifest({
    name: 'agent-x',
    owner: 'DaemonSet/agent',
    hostNetwork: true,
    node: 'n1',
    ips: ['192.168.0.1'],
  });
  const attributor = attributorOf(agent);
  t.is(servedBy(attributor, { namespace: 'shop', pod: 'agent-x' }), 'node:n1 8080');
  t.is(
    servedBy(attributor, { namespace: 'shop', workload: { kind: 'DaemonSet', name: 'agent' }, node: 'n2' }),
    'node:n2 8080',
  );
});

const node =
  'apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nstatus: {addresses: [{type: InternalIP, address: 192.168.0.1}]}';
const apiEndpoints =
  'apiVersion: v1\nkind: Endpoints\nmetadata: {name: kubernetes}\nsubsets: [{addresses: [{ip: 192.168.0.1}], ports: [{name: https, port: 6443}]}]';
const apiService = serviceManifest(
  'kubernetes',
  { clusterIP: '10.96.0.1', ports: [{ name: 'https', port: 443, targetPort: 6443 }] },
  'default',
);

test('reserved names are nodes, the API server or the world', (t) => {
  const attributor = attributorOf(node, apiEndpoints);
  t.is(servedBy(attributor, { reserved: 'host', node: 'n9' }), 'node:n9 8080');
  t.is(servedBy(attributor, { reserved: 'remote-node', ip: '192.168.0.1' }), 'node:n1 8080');
  t.is(
    servedBy(attributor, { reserved: 'remote-node', ip: '192.168.0.1' }, { port: 6443 }),
    'service:default/kubernetes 6443',
  );
  t.is(servedBy(attributor, { reserved: 'health' }), 'node: 8080');
  t.is(servedBy(attributor, { reserved: 'kube-apiserver' }, { port: 6443 }), 'service:default/kubernetes 6443');
  t.is(servedBy(attributor, { reserved: 'world' }), 'external:world 8080');
  t.is(servedBy(attributor, { reserved: 'world', ip: '10.9.9.9' }), 'external:10.9.9.9 8080');
  t.is(servedBy(attributor, { reserved: 'unmanaged', ip: '192.168.0.1' }), 'node:n1 8080');
});

test('what the source takes for the world is not external inside of the cluster', (t) => {
  const pools = 'apiVersion: crd.projectcalico.org/v1\nkind: IPPool\nmetadata: {name: a}\nspec: {cidr: 10.0.0.0/16}';
  const attributor = attributorOf(pools, webPod);
  t.is(servedBy(attributor, { reserved: 'world', ip: '10.0.7.7' }), 'unknown:no-owner:10.0.7.7 8080');
  t.is(servedBy(attributor, { reserved: 'world', ip: '10.0.0.1' }), 'workload:shop/StatefulSet/web 8080');
  t.is(attributor.counters.contradictions, 1);
});

test('the Service of the API server is the API server at its real port, and its node only with that port', (t) => {
  const attributor = attributorOf(node, apiEndpoints, apiService);
  t.is(servedBy(attributor, { ip: '10.96.0.1' }, { port: 443 }), 'service:default/kubernetes 6443');
  t.is(servedBy(attributor, { ip: '192.168.0.1' }, { port: 6443 }), 'service:default/kubernetes 6443');
  t.is(servedBy(attributor, { ip: '192.168.0.1' }, { port: 10_250 }), 'node:n1 10250');
});

const webService = serviceManifest('web', {
  clusterIP: '10.96.0.9',
  selector: { app: 'web' },
  ports: [{ port: 80, targetPort: 'http' }],
});
const web = deploymentManifest('web', { ports: [{ name: 'http', containerPort: 8080 }] });

test("a flow to a Service is one to its backend's own port, by address and by name", (t) => {
  const attributor = attributorOf(web, webService);
  t.is(servedBy(attributor, { ip: '10.96.0.9' }, { port: 80 }), 'workload:shop/Deployment/web 8080');
  t.is(
    servedBy(attributor, { service: { namespace: 'shop', name: 'web' } }, { port: 80 }),
    'workload:shop/Deployment/web 8080',
  );
});

test('the protocol is part of a Service port', (t) => {
  t.is(servedBy(attributorOf(web, webService), { ip: '10.96.0.9' }, { port: 80, protocol: 17 }), 'service:shop/web 80');
});

test('a Service before two workloads, or with a named port of two numbers, is a Service', (t) => {
  const two = serviceManifest('web', {
    clusterIP: '10.96.0.9',
    selector: { tier: 'front' },
    ports: [{ port: 80, targetPort: 8080 }],
  });
  const front = (name: string) => deploymentManifest(name, { labels: { app: name, tier: 'front' } });
  t.is(servedBy(attributorOf(front('a'), front('b'), two), { ip: '10.96.0.9' }, { port: 80 }), 'service:shop/web 80');
  const pod = (name: string, containerPort: number) =>
    podManifest({ name, owner: 'StatefulSet/web', labels: { app: 'web' }, ports: [{ name: 'http', containerPort }] });
  t.is(
    servedBy(attributorOf(pod('web-0', 8080), pod('web-1', 8081), webService), { ip: '10.96.0.9' }, { port: 80 }),
    'service:shop/web 80',
  );
});

const slice = (backends: readonly unknown[], port: number) =>
  JSON.stringify({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'web-1', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints: backends,
    ports: [{ port }],
  });

test('EndpointSlices are believed before the selector', (t) => {
  const backends = [{ addresses: ['10.0.0.2'], targetRef: { kind: 'Pod', name: 'db-0' } }];
  const attributor = attributorOf(webPod, dbPod, webService, slice(backends, 5432));
  t.is(servedBy(attributor, { ip: '10.96.0.9' }, { port: 80 }), 'workload:shop/StatefulSet/db 5432');
});

test('a Service before one address outside of the cluster is that address', (t) => {
  const service = serviceManifest('web', { clusterIP: '10.96.0.9', ports: [{ port: 80 }] });
  t.is(
    servedBy(attributorOf(service, slice([{ addresses: ['203.0.113.5'] }], 5432)), { ip: '10.96.0.9' }, { port: 80 }),
    'external:203.0.113.5 5432',
  );
});

test('a Service that is not in the inventory has no backend that could be told', (t) => {
  const attributor = attributorOf(web);
  t.is(
    servedBy(attributor, { service: { namespace: 'shop', name: 'gone' } }),
    'unknown:service-without-backend:shop/gone 8080',
  );
  t.is(
    servedBy(attributor, { service: { namespace: 'default', name: 'kubernetes' } }),
    'service:default/kubernetes 8080',
  );
});

test('the backend that a flow shows wins over the Service that it addressed', (t) => {
  const attributor = attributorOf(dbPod, web, webService);
  const addressed = { ip: '10.96.0.9', port: 80 };
  t.is(servedBy(attributor, { ip: '10.0.0.2' }, { port: 5432, addressed }), 'workload:shop/StatefulSet/db 5432');
  t.is(servedBy(attributor, {}, { port: 80, addressed }), 'workload:shop/Deployment/web 8080');
});

test('the time of the flow decides who had the address', (t) => {
  const attributor = attributorOf(
    podManifest({ name: 'job', phase: 'Succeeded', start: 5, finish: 20, ips: ['10.0.0.1'] }),
    podManifest({ name: 'web', start: 30, ips: ['10.0.0.1'] }),
  );
  const when = (second: number) => servedBy(attributor, { ip: '10.0.0.1' }, { timeMs: at(second) });
  t.is(when(10), 'workload:shop/Pod/job 8080');
  t.is(when(40), 'workload:shop/Pod/web 8080');
  t.is(when(25), 'unknown:no-owner:10.0.0.1 8080');
  t.is(when(1), 'unknown:before-inventory:10.0.0.1 8080');
});

test('of two pods that had one name after another, the time of the flow decides', (t) => {
  const attributor = attributorOf(
    podManifest({ name: 'db-0', uid: 'a', owner: 'StatefulSet/db', start: 1 }),
    podManifest({ name: 'db-0', uid: 'b', owner: 'Cluster/db', start: 30 }),
  );
  const when = (second: number) => servedBy(attributor, { namespace: 'shop', pod: 'db-0' }, { timeMs: at(second) });
  t.is(when(10), 'workload:shop/StatefulSet/db 8080');
  t.is(when(40), 'workload:shop/Cluster/db 8080');
});

test('a client at the address of a Service is not the backend of that Service', (t) => {
  const { client } = attributorOf(web, webService).attribute(flow({ ip: '10.96.0.9' }, {}, { clientPort: 80 }));
  t.is(endpointId(client.endpoint), 'service:shop/web' as never);
});

test('a finished pod is no backend', (t) => {
  const finished = podManifest({
    name: 'old',
    phase: 'Succeeded',
    labels: { app: 'web' },
    start: 1,
    finish: 5,
    ports: [{ name: 'http', containerPort: 9 }],
  });
  t.is(
    servedBy(attributorOf(finished, web, webService), { ip: '10.96.0.9' }, { port: 80 }),
    'workload:shop/Deployment/web 8080',
  );
});

test('a backend counts for its own protocol only', (t) => {
  const slices = (['TCP', 'UDP'] as const).map((protocol, i) =>
    slice([{ addresses: ['10.0.0.2'], targetRef: { kind: 'Pod', name: 'db-0' } }], 5353 + i)
      .replace('web-1', `web-${protocol.toLowerCase()}`)
      .replace('"port":', `"protocol":"${protocol}","port":`),
  );
  const ports = [{ port: 53 }, { protocol: 'UDP', port: 53 }];
  const service = serviceManifest('web', { clusterIP: '10.96.0.9', ports });
  const attributor = attributorOf(dbPod, service, ...slices);
  t.is(servedBy(attributor, { ip: '10.96.0.9' }, { port: 53 }), 'workload:shop/StatefulSet/db 5353');
  t.is(servedBy(attributor, { ip: '10.96.0.9' }, { port: 53, protocol: 17 }), 'workload:shop/StatefulSet/db 5354');
});

test('a record without name and address is unnamed', (t) => {
  t.is(servedBy(attributorOf(webPod), {}), 'unknown:unnamed: 8080');
  t.is(servedBy(attributorOf(webPod), { ip: 'not an address' }), 'unknown:unnamed: 8080');
});

test('everything else of the flow is kept', (t) => {
  const sighting = attributorOf(webPod).attribute(
    flow(
      { ip: '10.0.0.1' },
      { ip: '203.0.113.9', dnsNames: ['api.example.org'] },
      { verdict: 'denied', directed: false, connections: 3, bytes: 7, endMs: at(20) },
    ),
  );
  const { client, server, ...facts } = sighting;
  t.is(client.endpoint.kind, 'workload');
  t.is(server.endpoint.kind, 'external');
  t.deepEqual(facts, {
    timeMs: at(10),
    endMs: at(20),
    clientPort: 40_000,
    protocol: 6,
    directed: false,
    verdict: 'denied',
    answered: true,
    connections: 3,
    bytes: 7,
    source: 'conntrack',
    port: 8080,
    clientIp: '10.0.0.1',
    serverDnsNames: ['api.example.org'],
  });
});

test('addresses that a source names as the API server or a node are told, for inventories that do not have them', (t) => {
  const attributor = attributorOf(webPod);
  attributor.attribute(flow({ namespace: 'default', pod: 'web-0' }, { ip: '192.0.2.9', reserved: 'kube-apiserver' }));
  attributor.attribute(flow({ ip: '192.0.2.10', reserved: 'remote-node' }, { namespace: 'default', pod: 'web-0' }));
  t.deepEqual(attributor.observed, { apiServer: ['192.0.2.9'], nodes: ['192.0.2.10'] });
});
