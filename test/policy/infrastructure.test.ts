import test from 'ava';
import { cidrSetOf } from '../../controller/model/cidr.ts';
import type { DraftRule } from '../../controller/model/policy-draft.ts';
import { buildCluster, keyOf } from '../support/build-cluster.ts';
import { connection } from '../support/build-connections.ts';
import { app, draftOf, podPeers, ports, resultOf, shop } from './shop-synthesis.ts';

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
