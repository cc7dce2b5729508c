import test from 'ava';
import { defaultProfile } from '../../controller/model/profile.ts';
import { buildCluster, keyOf } from '../support/build-cluster.ts';
import { connection } from '../support/build-connections.ts';
import { app, draftOf, podPeers, ports, resultOf, shop } from './shop-synthesis.ts';

test('a workload gets the ports that its peers were seen on and no others', (t) => {
  const draft = draftOf(shop, ['shop/frontend > shop/cart TCP 7070', 'shop/cart > shop/redis TCP 6379'], 'shop/cart');
  t.deepEqual(draft.subject, { matchLabels: { app: 'cart' } });
  t.deepEqual(ports(draft, 'ingress'), ['TCP 7070']);
  t.deepEqual(ports(draft, 'egress'), ['TCP 6379']);
  t.deepEqual(podPeers(draft.egress[0]?.peers ?? [])[0]?.workloads, [keyOf('shop/redis')]);
});

test('a workload without evidence gets no policy', (t) => {
  const result = resultOf(shop, ['shop/frontend > shop/cart TCP 7070'], 'shop/quiet');
  t.is(result.kind, 'no-evidence');
});

test('a denied attempt is listed and never allowed', (t) => {
  const denied = connection('shop/quiet > shop/cart TCP 7070', { allowed: 0, denied: 3 });
  const result = resultOf(shop, [denied, 'shop/frontend > shop/cart TCP 7070'], 'shop/cart');
  t.is(result.kind, 'synthesised');
  t.deepEqual(result.kind === 'synthesised' && result.omissions.map(({ because }) => because), ['denied-attempt']);
  t.is(result.kind === 'synthesised' && podPeers(result.draft.ingress[0]?.peers ?? []).length, 1);
});

test('an undirected connection is listed and is no evidence', (t) => {
  const undirected = connection('shop/cart > shop/redis TCP 6379', {}, false);
  const result = resultOf(shop, [undirected, 'shop/frontend > shop/cart TCP 7070'], 'shop/cart');
  t.is(result.kind === 'synthesised' && result.draft.egress.length, 0);
  t.deepEqual(result.kind === 'synthesised' && result.omissions.map(({ because }) => because), ['undirected']);
});

test('an unknown peer narrows: it is listed and no rule is written for it', (t) => {
  const result = resultOf(shop, ['?10.244.9.9 > shop/cart TCP 7070', 'shop/cart > shop/redis TCP 6379'], 'shop/cart');
  t.is(result.kind === 'synthesised' && result.draft.ingress.length, 0);
  t.deepEqual(result.kind === 'synthesised' && result.omissions.map(({ because }) => because), ['unknown-endpoint']);
});

test('a peer that was deleted since narrows: its rule disappears and the others stay', (t) => {
  const seen = ['shop/frontend > shop/cart TCP 7070', 'shop/gone > shop/cart TCP 7070', 'shop/cart > shop/gone TCP 80'];
  const result = resultOf(shop, seen, 'shop/cart');
  if (result.kind !== 'synthesised') return t.fail(JSON.stringify(result));
  t.deepEqual(podPeers(result.draft.ingress[0]?.peers ?? [])[0]?.workloads, [keyOf('shop/frontend')]);
  t.deepEqual(result.draft.egress, []);
  t.deepEqual(
    result.omissions.map(({ because }) => because),
    ['unknown-endpoint', 'unknown-endpoint'],
  );
  t.regex(result.omissions[0]?.message ?? '', /shop\/Deployment\/gone is gone from the inventory/);
});

test('53/TCP and 53/UDP stay apart outside of the DNS allowance', (t) => {
  const draft = draftOf(shop, ['shop/frontend > shop/cart UDP 53', 'shop/redis > shop/cart TCP 53'], 'shop/cart');
  t.deepEqual(ports(draft, 'ingress').sort(), ['TCP 53', 'UDP 53']);
});

test('peers with the same ports share a rule, and one selector where their labels differ in one value', (t) => {
  const draft = draftOf(shop, ['shop/frontend > shop/redis TCP 6379', 'shop/cart > shop/redis TCP 6379'], 'shop/redis');
  t.is(draft.ingress.length, 1);
  t.deepEqual(
    podPeers(draft.ingress[0]?.peers ?? []).map(({ podSelector }) => podSelector),
    [{ matchExpressions: [{ key: 'app', operator: 'In', values: ['cart', 'frontend'] }] }],
  );
});

test('a new connection changes only the rule that it concerns', (t) => {
  const before = ['shop/frontend > shop/cart TCP 7070', 'shop/cart > shop/redis TCP 6379'];
  const one = draftOf(shop, before, 'shop/cart');
  const two = draftOf(shop, [...before, 'shop/cart > shop/checkout TCP 8080'], 'shop/cart');
  t.deepEqual(two.ingress, one.ingress);
  t.true(two.egress.some((rule) => JSON.stringify(rule) === JSON.stringify(one.egress[0])));
});

test('two releases of one chart are told apart by the instance', (t) => {
  const release = (name: string) => ({
    name,
    labels: { 'app.kubernetes.io/name': 'api', 'app.kubernetes.io/instance': name },
    selector: { matchLabels: { 'app.kubernetes.io/name': 'api' } },
  });
  const cluster = buildCluster([release('blue'), release('green'), app('client')]);
  const draft = draftOf(cluster, ['shop/client > shop/blue TCP 80'], 'shop/blue');
  t.deepEqual(draft.subject, {
    matchLabels: { 'app.kubernetes.io/instance': 'blue', 'app.kubernetes.io/name': 'api' },
  });
});

test('a peer that shares all of its labels refuses the policy instead of widening it', (t) => {
  const cluster = buildCluster([app('web'), { name: 'web-copy', labels: { app: 'web' } }, app('db')]);
  const result = resultOf(cluster, ['shop/web > shop/db TCP 5432'], 'shop/db');
  t.is(result.kind === 'refused' && result.because, 'indistinguishable-peer');
  t.regex(result.kind === 'refused' ? result.message : '', /web-copy/);
});

test('workloads that share all labels and need the same are let in together', (t) => {
  const cluster = buildCluster([app('web'), { name: 'web-copy', labels: { app: 'web' } }, app('db')]);
  const draft = draftOf(cluster, ['shop/web > shop/db TCP 5432', 'shop/web-copy > shop/db TCP 5432'], 'shop/db');
  t.is(draft.ingress.length, 1);
  t.deepEqual(podPeers(draft.ingress[0]?.peers ?? [])[0]?.workloads, [keyOf('shop/web'), keyOf('shop/web-copy')]);
});

test('a subject that shares all of its labels is refused by name, with one joint policy on offer', (t) => {
  const cluster = buildCluster([app('web'), { name: 'web-copy', labels: { app: 'web' } }, app('db')]);
  const result = resultOf(cluster, ['shop/web > shop/db TCP 5432', 'shop/web > shop/web-copy TCP 80'], 'shop/web');
  t.is(result.kind, 'refused');
  if (result.kind !== 'refused') return;
  t.is(result.because, 'shared-labels');
  t.deepEqual(result.sharedWith, [keyOf('shop/web-copy')]);
  t.deepEqual(result.joint?.workloads, [keyOf('shop/web'), keyOf('shop/web-copy')]);
  t.deepEqual(result.joint?.egress.map(({ ports: [port] }) => port?.port).sort(), [5432, 80]);
});

test('a peer in another namespace is named by namespace and pod labels together', (t) => {
  const cluster = buildCluster([app('cart'), app('redis', { namespace: 'data' })]);
  const draft = draftOf(cluster, ['shop/cart > data/redis TCP 6379'], 'shop/cart');
  const [peer] = podPeers(draft.egress[0]?.peers ?? []);
  t.deepEqual(peer?.namespaceSelector, { matchLabels: { 'kubernetes.io/metadata.name': 'data' } });
  t.deepEqual(peer?.podSelector, { matchLabels: { app: 'redis' } });
});

test('on an old server a namespace is named by a label of its own, and refused without one', (t) => {
  const cluster = buildCluster([app('cart'), app('redis', { namespace: 'data' })]);
  const shopNamespace = { name: 'shop', labels: {} };
  const labelled = new Map([
    ['shop', shopNamespace],
    ['data', { name: 'data', labels: { purpose: 'data' } }],
  ]);
  const bare = new Map([
    ['shop', shopNamespace],
    ['data', { name: 'data', labels: {} }],
  ]);
  const draft = draftOf({ ...cluster, namespaces: labelled }, ['shop/cart > data/redis TCP 6379'], 'shop/cart');
  t.deepEqual(podPeers(draft.egress[0]?.peers ?? [])[0]?.namespaceSelector, { matchLabels: { purpose: 'data' } });
  const refused = resultOf({ ...cluster, namespaces: bare }, ['shop/cart > data/redis TCP 6379'], 'shop/cart');
  t.is(refused.kind === 'refused' && refused.because, 'no-namespace-label');
});

test('three ports in a row are one range where the network plugin has ranges, and single ports elsewhere', (t) => {
  const seen = [8000, 8001, 8002].map((port) => `shop/frontend > shop/cart TCP ${port}`);
  t.is(draftOf(shop, seen, 'shop/cart', { cni: 'calico' }).ingress[0]?.ports.length, 1);
  t.is(draftOf(shop, seen, 'shop/cart', { cni: 'azure-npm' }).ingress[0]?.ports.length, 3);
});

test('external addresses are written one by one, by their family', (t) => {
  const draft = draftOf(shop, ['shop/cart > 203.0.113.7 TCP 443', 'shop/cart > 2001:db8::7 TCP 443'], 'shop/cart');
  t.deepEqual(
    draft.egress[0]?.peers.map((peer) => peer.kind === 'cidr' && peer.cidr),
    ['203.0.113.7/32', '2001:db8::7/128'],
  );
});

test('an external address inside of a named network is written as that network', (t) => {
  const external = { ...defaultProfile.external, networks: [{ name: 'payment', cidrs: ['203.0.113.0/28'] }] };
  const draft = draftOf(shop, ['shop/cart > 203.0.113.7 TCP 443'], 'shop/cart', { profile: { external } });
  const [peer] = draft.egress[0]?.peers ?? [];
  t.deepEqual(peer?.kind === 'cidr' && [peer.cidr, peer.network], ['203.0.113.0/28', 'payment']);
});

test('addresses are joined only while the block adds no more than the bound', (t) => {
  const external = { ...defaultProfile.external, addedAddresses: 2 };
  const seen = ['203.0.113.4', '203.0.113.5', '203.0.113.200'].map((ip) => `shop/cart > ${ip} TCP 443`);
  const draft = draftOf(shop, seen, 'shop/cart', { profile: { external } });
  t.deepEqual(
    draft.egress[0]?.peers.map((peer) => peer.kind === 'cidr' && peer.cidr),
    ['203.0.113.4/31', '203.0.113.200/32'],
  );
});

test('an exposed workload with many clients is opened to the world outside of the cluster, and only there', (t) => {
  const cluster = buildCluster([app('web')], {
    exposures: [
      {
        workload: keyOf('shop/web'),
        protocol: 'TCP',
        port: 8080,
        through: 'LoadBalancer',
        by: 'shop/Service/web',
        hidesClients: false,
      },
    ],
  });
  const clients = [1, 2, 3, 4, 5, 6].map((n) => `198.51.100.${n} > shop/web TCP 8080`);
  const draft = draftOf(cluster, [...clients, '198.51.100.9 > shop/web TCP 9090'], 'shop/web');
  const world = draft.ingress.find(({ because }) => because === 'open-to-world');
  t.deepEqual(
    world?.ports.map(({ port }) => port),
    [8080],
  );
  t.deepEqual(world?.peers, [{ kind: 'world', except: ['10.96.0.0/16', '10.244.0.0/16'] }]);
  t.is(world?.evidence.length, 6);
  t.deepEqual(
    draft.ingress.find(({ because }) => because === 'learned')?.ports.map(({ port }) => port),
    [9090],
  );
});

test('ICMP is listed as not expressible', (t) => {
  const result = resultOf(
    shop,
    ['shop/frontend > shop/cart ICMP 0', 'shop/frontend > shop/cart TCP 7070'],
    'shop/cart',
  );
  t.deepEqual(result.kind === 'synthesised' && result.omissions.map(({ because }) => because), [
    'protocol-not-expressible',
  ]);
});

test('a client of two protocols on one exposed port is opened to the world on both, with the evidence of each', (t) => {
  const exposure = {
    workload: keyOf('shop/web'),
    port: 8443,
    through: 'LoadBalancer',
    by: 'x',
    hidesClients: false,
  } as const;
  const cluster = buildCluster([app('web')], {
    exposures: [
      { ...exposure, protocol: 'TCP' },
      { ...exposure, protocol: 'UDP' },
    ],
  });
  const clients = [1, 2, 3, 4, 5, 6].flatMap((n) => [
    `198.51.100.${n} > shop/web TCP 8443`,
    `198.51.100.${n} > shop/web UDP 8443`,
  ]);
  const draft = draftOf(cluster, [...clients, '198.51.100.1 > shop/web TCP 9090'], 'shop/web');
  t.deepEqual(ports(draft, 'ingress').sort(), ['TCP 8443 UDP 8443', 'TCP 9090']);
  const world = draft.ingress.find(({ because }) => because === 'open-to-world');
  t.is(world?.evidence.length, 12);
});

test('a port that is exposed on TCP only is not opened to the world on UDP', (t) => {
  const through = 'LoadBalancer' as const;
  const cluster = buildCluster([app('web')], {
    exposures: [{ workload: keyOf('shop/web'), protocol: 'TCP', port: 8443, through, by: 'x', hidesClients: false }],
  });
  const clients = [1, 2, 3, 4, 5, 6].map((n) => `198.51.100.${n} > shop/web UDP 8443`);
  const draft = draftOf(cluster, clients, 'shop/web');
  t.deepEqual(
    draft.ingress.map(({ because, evidence }) => [because, evidence.length]),
    [['learned', 6]],
  );
});
