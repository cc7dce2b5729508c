import test from 'ava';
import { cidrSetOf } from '../../controller/model/cidr.ts';
import type { Cluster } from '../../controller/model/cluster.ts';
import type { Connection } from '../../controller/model/connection.ts';
import type { DraftPeer, DraftRule, PolicyDraft } from '../../controller/model/policy-draft.ts';
import { defaultProfile, type Profile } from '../../controller/model/profile.ts';
import type { SynthesisResult } from '../../controller/model/proposal.ts';
import { cniProfile } from '../../controller/policy/cni-profiles.ts';
import { synthesizer } from '../../controller/policy/synthesize.ts';
import { buildCluster, keyOf } from '../support/build-cluster.ts';
import { connection, connectionSource } from '../support/build-connections.ts';

interface Given {
  readonly profile?: Partial<Profile>;
  readonly cni?: Profile['cni'];
  readonly names?: Readonly<Record<string, readonly string[]>>;
}

function resultOf(
  cluster: Cluster,
  connections: readonly (string | Connection)[],
  workload: string,
  { profile, cni = 'calico', names }: Given = {},
): SynthesisResult {
  return synthesizer({
    cluster,
    connections: connectionSource(connections, names),
    profile: { ...defaultProfile, ...profile },
    cni: cniProfile(cni),
  })(keyOf(workload));
}

function draftOf(...given: Parameters<typeof resultOf>): PolicyDraft {
  const result = resultOf(...given);
  if (result.kind !== 'synthesised') throw new Error(JSON.stringify(result));
  return result.draft;
}

function ports(draft: PolicyDraft, direction: 'ingress' | 'egress'): string[] {
  return draft[direction].map((rule) => rule.ports.map(({ protocol, port }) => `${protocol} ${port}`).join(' '));
}

function podPeers(peers: readonly DraftPeer[]): Extract<DraftPeer, { kind: 'pods' }>[] {
  return peers.filter((peer) => peer.kind === 'pods');
}

const app = (name: string, more: object = {}) => ({ name, labels: { app: name }, ...more });
const shop = buildCluster([app('frontend'), app('cart'), app('checkout'), app('redis'), app('quiet')]);

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

test('cluster DNS is a named allowance on UDP and TCP, with the node-local cache where there is one', (t) => {
  const cluster = buildCluster([
    app('cart'),
    { name: 'coredns', namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } },
    {
      name: 'node-local-dns',
      kind: 'DaemonSet',
      namespace: 'kube-system',
      labels: { 'k8s-app': 'node-local-dns' },
      hostNetwork: true,
    },
  ]);
  const draft = draftOf(cluster, ['shop/cart > kube-system/coredns UDP 53'], 'shop/cart');
  t.deepEqual(
    draft.egress.map(({ because }) => because),
    ['cluster-dns'],
  );
  t.deepEqual(ports(draft, 'egress'), ['TCP 53 UDP 53']);
  t.deepEqual(
    draft.egress[0]?.peers.map((peer) => (peer.kind === 'cidr' ? peer.cidr : peer.kind)),
    ['pods', '169.254.20.10/32'],
  );
});

test('a workload that was never seen asking DNS is told so', (t) => {
  const result = resultOf(shop, ['shop/cart > shop/redis TCP 6379'], 'shop/cart');
  t.regex(result.kind === 'synthesised' ? result.notes.join() : '', /no DNS query/);
});

test('the API server is allowed by its endpoint addresses to a client with its own service account', (t) => {
  const cluster = buildCluster([app('operator', { serviceAccount: 'operator' })], {
    apiServer: { ips: ['192.0.2.10'], port: 6443 },
  });
  const draft = draftOf(cluster, ['shop/operator > apiserver TCP 6443'], 'shop/operator');
  t.deepEqual(draft.egress[0]?.peers, [{ kind: 'apiserver', addresses: ['192.0.2.10'] }]);
  t.deepEqual(ports(draft, 'egress'), ['TCP 6443']);
});

test('a client of the API server without a service account of its own is held back', (t) => {
  const cluster = buildCluster([app('web'), app('db')], { apiServer: { ips: ['192.0.2.10'], port: 6443 } });
  const result = resultOf(cluster, ['shop/web > apiserver TCP 6443', 'shop/web > shop/db TCP 5432'], 'shop/web');
  t.deepEqual(result.kind === 'synthesised' && result.heldBack.map(({ because }) => because), ['new-apiserver-client']);
});

test('the metadata service and the kubelet are never learned by themselves', (t) => {
  const seen = [
    'shop/cart > 169.254.169.254 TCP 80',
    'shop/cart > node:a TCP 10250',
    'shop/cart > shop/redis TCP 6379',
  ];
  const result = resultOf(shop, seen, 'shop/cart');
  t.deepEqual(result.kind === 'synthesised' && result.heldBack.map(({ because }) => because).sort(), [
    'kubelet-port',
    'metadata-service',
  ]);
  t.is(result.kind === 'synthesised' && result.draft.egress.length, 1);
});

test('a person may accept what was held back', (t) => {
  const accepted = [{ source: 'shop/cart', destination: '169.254.169.254', port: 80, protocol: 'TCP' }];
  const draft = draftOf(shop, ['shop/cart > 169.254.169.254 TCP 80'], 'shop/cart', { profile: { accepted } });
  t.is(draft.egress.length, 1);
});

test('what the profile refuses is never learned', (t) => {
  const refused = [{ source: '*', destination: 'shop/redis', port: undefined, protocol: undefined }];
  const result = resultOf(
    shop,
    ['shop/frontend > shop/cart TCP 7070', 'shop/cart > shop/redis TCP 6379'],
    'shop/cart',
    {
      profile: { refused },
    },
  );
  t.deepEqual(result.kind === 'synthesised' && result.heldBack.map(({ because }) => because), ['deny-list']);
});

test('a scan is held back together with the open ports that it found, and regular connections are learned', (t) => {
  const probes = Array.from({ length: 12 }, (_, i) =>
    connection(`shop/frontend > shop/redis TCP ${9000 + i}`, { allowed: 1, answered: 'no', bins: [600_000] }),
  );
  const found = connection('shop/frontend > shop/redis TCP 6379', { allowed: 1, bins: [600_000] });
  const result = resultOf(shop, [...probes, found, 'shop/frontend > shop/cart TCP 7070'], 'shop/frontend');
  t.is(result.kind, 'synthesised');
  if (result.kind !== 'synthesised') return;
  t.is(result.heldBack.length, 13);
  t.true(result.heldBack.every(({ because }) => because === 'scan'));
  t.deepEqual(ports(result.draft, 'egress'), ['TCP 7070']);
});

test('a connection that one replica of three makes again and again is held back, a single sighting is not', (t) => {
  const often = connection('shop/frontend > shop/redis TCP 6379', { clientReplicas: 1, allowed: 40 });
  const once = connection('shop/frontend > shop/checkout TCP 8080', { clientReplicas: 1, allowed: 1 });
  const result = resultOf(shop, [often, once, 'shop/frontend > shop/cart TCP 7070'], 'shop/frontend');
  t.deepEqual(result.kind === 'synthesised' && result.heldBack.map(({ connection: { port } }) => port), [6379]);
});

test('a source that sees one node does not speak for the replicas on others', (t) => {
  const running = ['a', 'b', 'c'].map((node) => ({ node, phase: 'Running' as const }));
  const cluster = buildCluster([app('frontend', { pods: running }), app('redis')]);
  const often = { clientReplicas: 1, allowed: 40 };
  const heldBy = (source: 'conntrack' | 'hubble') => {
    const seen = connection('shop/frontend > shop/redis TCP 6379', { ...often, sources: [source] });
    return resultOf(cluster, [seen], 'shop/frontend').kind;
  };
  t.is(heldBy('conntrack'), 'synthesised');
  t.is(heldBy('hubble'), 'no-evidence');
});

test('a mesh tunnel port makes no rule and is said', (t) => {
  const result = resultOf(
    shop,
    ['shop/frontend > shop/cart TCP 15008', 'shop/frontend > shop/cart TCP 7070'],
    'shop/cart',
  );
  t.deepEqual(result.kind === 'synthesised' && result.heldBack.map(({ because }) => because), ['mesh-tunnel']);
});

test('an admission webhook may be called by the API server although no call was seen', (t) => {
  const cluster = buildCluster([app('policy'), app('db')], {
    apiServer: { ips: ['192.0.2.10'], port: 6443 },
    webhooks: [{ workload: keyOf('shop/policy'), protocol: 'TCP', port: 9443, configuration: 'policy' }],
  });
  const draft = draftOf(cluster, ['shop/policy > shop/db TCP 5432'], 'shop/policy');
  t.deepEqual(
    draft.ingress.map(({ because }) => because),
    ['admission-webhook'],
  );
});

test('the API server calls from every address of its node, and answers on its own alone', (t) => {
  const hostIps = ['192.0.2.10', '2001:db8::10'];
  const node = { name: 'control-plane', labels: {}, ips: [...hostIps, '10.244.0.0'], hostIps, podCidrs: [] };
  const cluster = buildCluster([app('policy', { serviceAccount: 'policy' })], {
    apiServer: { ips: ['192.0.2.10'], port: 6443 },
    nodes: [node, { ...node, name: 'worker', ips: ['192.0.2.11'], hostIps: ['192.0.2.11'] }],
    webhooks: [{ workload: keyOf('shop/policy'), protocol: 'TCP', port: 9443, configuration: 'policy' }],
  });
  const { ingress, egress } = draftOf(cluster, ['shop/policy > apiserver TCP 6443'], 'shop/policy');
  const addresses = (rules: readonly DraftRule[]) => rules.flatMap(({ peers }) => peers);
  t.deepEqual(addresses(ingress), [{ kind: 'apiserver', addresses: ['10.244.0.0', '192.0.2.10', '2001:db8::10'] }]);
  t.deepEqual(addresses(egress), [{ kind: 'apiserver', addresses: ['192.0.2.10'] }]);
});

test('probes of a pod by its own node need no rule, clients behind a node address do', (t) => {
  const onNode = { pods: [{ node: 'a', ips: ['10.244.1.2'] }] };
  const nodes = { ...buildCluster([]).cidrs, nodes: cidrSetOf('192.0.2.10/32') };
  const probed = resultOf(
    buildCluster([app('web', onNode)], { cidrs: nodes }),
    ['node:a > shop/web TCP 8080', 'shop/web > 203.0.113.7 TCP 443'],
    'shop/web',
  );
  t.deepEqual(probed.kind === 'synthesised' && probed.omissions.map(({ because }) => because), ['node-exempt']);
  const hidden = buildCluster([app('web', onNode)], {
    cidrs: nodes,
    exposures: [
      {
        workload: keyOf('shop/web'),
        protocol: 'TCP',
        port: 8080,
        through: 'NodePort',
        by: 'shop/Service/web',
        hidesClients: true,
      },
    ],
  });
  t.deepEqual(draftOf(hidden, ['node:a > shop/web TCP 8080'], 'shop/web').ingress[0]?.peers, [
    { kind: 'nodes', cidrs: ['192.0.2.10/32'] },
  ]);
  const fromOutside = draftOf(hidden, ['203.0.113.7 > shop/web TCP 8080'], 'shop/web').ingress;
  t.deepEqual(
    fromOutside.map(({ because, peers: [peer] }) => [because, peer?.kind === 'cidr' ? peer.cidr : peer?.kind]),
    [
      ['learned', '203.0.113.7/32'],
      ['node-traffic', 'nodes'],
    ],
  );
});

test('a node that was seen to reach its own pods is a prober, and one that reached another node is a client', (t) => {
  const cluster = (node: string) =>
    buildCluster([app('web', { pods: [{ node, ips: ['10.244.1.2'] }] })], {
      cidrs: { ...buildCluster([]).cidrs, nodes: cidrSetOf('192.0.2.10/32') },
    });
  const placed = (node: string, clientNode: 'own' | 'other' | 'unknown') => {
    const call = connection('node:a > shop/web TCP 8080', { clientNode });
    const result = resultOf(cluster(node), [call, 'shop/web > 203.0.113.7 TCP 443'], 'shop/web');
    return result.kind === 'synthesised' && (result.draft.ingress[0]?.because ?? result.omissions[0]?.because);
  };
  t.is(placed('b', 'own'), 'node-exempt', 'its pod there is gone');
  t.is(placed('a', 'other'), 'node-traffic', 'a server on the host network of a node that runs a pod too');
  t.is(placed('a', 'unknown'), 'node-exempt');
  t.is(placed('b', 'unknown'), 'node-traffic');
});

test('a workload on the host network is refused with the reason', (t) => {
  const cluster = buildCluster([app('exporter', { hostNetwork: true }), app('db')]);
  const result = resultOf(cluster, ['shop/exporter > shop/db TCP 5432'], 'shop/exporter');
  t.is(result.kind === 'refused' && result.because, 'host-network');
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

test('DNS servers that share their labels are asked together', (t) => {
  const server = (name: string) => ({ name, namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } });
  const cluster = buildCluster([app('cart'), server('coredns'), server('coredns-canary')]);
  const draft = draftOf(cluster, ['shop/cart > kube-system/coredns UDP 53'], 'shop/cart');
  t.deepEqual(
    podPeers(draft.egress[0]?.peers ?? []).map(({ workloads }) => workloads),
    [[keyOf('kube-system/coredns'), keyOf('kube-system/coredns-canary')]],
  );
});

test('a DNS server in a namespace that no label names refuses the policy instead of a rule to everybody', (t) => {
  const cluster = buildCluster([
    app('cart'),
    { name: 'coredns', namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } },
  ]);
  const bare = new Map([...cluster.namespaces.keys()].map((name) => [name, { name, labels: {} }]));
  const result = resultOf({ ...cluster, namespaces: bare }, ['shop/cart > kube-system/coredns UDP 53'], 'shop/cart');
  t.is(result.kind === 'refused' && result.because, 'no-namespace-label');
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
