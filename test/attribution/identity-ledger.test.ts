import fc from 'fast-check';
import test from 'ava';
import { IdentityLedger, type Owner } from '../../controller/attribution/identity-ledger.ts';
import { cidrSetOf, formatIp, noAddresses } from '../../controller/model/cidr.ts';
import type { Cluster, Pod } from '../../controller/model/cluster.ts';
import type { WorkloadKey } from '../../controller/model/workload.ts';
import { at, clusterOf, podManifest, serviceManifest } from '../adapters/inventory/_cluster-of.ts';

/** The answer in one word: a pod's name, a node's or Service's, or the kind with its reason. */
function said(owner: Owner | undefined): string {
  switch (owner?.kind) {
    case 'pod':
      return owner.pod.name;
    case 'node':
      return `node ${owner.node.name}`;
    case 'service':
      return `service ${owner.service.name}`;
    case 'api-server':
      return 'api-server';
    case 'external':
      return `external ${owner.address}`;
    case 'unknown':
      return owner.reason;
    case undefined:
      return 'no address';
  }
}

const asker = (...manifests: readonly string[]) => {
  const ledger = new IdentityLedger(clusterOf(...manifests));
  return (ip: string, second = 10, port = 8080) => said(ledger.owner(ip, port, at(second)));
};

const kubeadm = `apiVersion: v1
kind: ConfigMap
metadata: {name: kubeadm-config, namespace: kube-system}
data: {ClusterConfiguration: "podSubnet: 10.244.0.0/16,fd00:10::/56\\nserviceSubnet: 10.96.0.0/16\\n"}`;
const node = `apiVersion: v1
kind: Node
metadata: {name: n1}
spec: {podCIDRs: [10.244.1.0/24]}
status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}`;

test('a reused address belongs to whoever had it at that time', (t) => {
  const who = asker(
    podManifest({ name: 'old', phase: 'Succeeded', start: 5, finish: 20, ips: ['10.0.0.1'] }),
    podManifest({ name: 'new', start: 30, ips: ['10.0.0.1'] }),
  );
  t.deepEqual(
    [4, 5, 19, 20, 29, 30, 59].map((second) => who('10.0.0.1', second)),
    ['before-inventory', 'old', 'old', 'no-owner', 'no-owner', 'new', 'new'],
  );
});

test('a completed Job that keeps its address on the object does not take it from the live pod', (t) => {
  const who = asker(
    podManifest({ name: 'job', phase: 'Succeeded', start: 1, finish: 8, ips: ['10.0.0.1'] }),
    podManifest({ name: 'silent', phase: 'Failed', start: 1, ips: ['10.0.0.1'] }),
    podManifest({ name: 'web', start: 9, ips: ['10.0.0.1'] }),
  );
  t.is(who('10.0.0.1', 10), 'web');
  t.is(who('10.0.0.1', 3), 'job');
});

test('a terminating pod still owns its address', (t) => {
  t.is(asker(podManifest({ name: 'web', start: 1, terminating: true, ips: ['10.0.0.1'] }))('10.0.0.1', 50), 'web');
});

test('two live owners of different workloads are ambiguous, two pods of one workload are that workload', (t) => {
  const pod = (name: string, owner: string) => podManifest({ name, owner, start: 1, ips: ['10.0.0.1'] });
  t.is(asker(pod('a', 'Cluster/x'), pod('b', 'Cluster/y'))('10.0.0.1'), 'ambiguous');
  t.regex(asker(pod('a', 'Cluster/x'), pod('b', 'Cluster/x'))('10.0.0.1'), /^[ab]$/);
});

test('hostNetwork pods never own the address of their node', (t) => {
  const who = asker(node, podManifest({ name: 'agent', hostNetwork: true, node: 'n1', ips: ['192.168.0.1'] }));
  t.is(who('192.168.0.1'), 'node n1');
});

test("the bridge at the foot of a node's pod range is the node", (t) => {
  t.is(asker(node)('10.244.1.1'), 'node n1');
});

test('both addresses of a dual-stack pod are its own, in any spelling', (t) => {
  const who = asker(podManifest({ name: 'web', ips: ['10.0.0.1', 'fd00::1'] }));
  t.deepEqual(
    ['10.0.0.1', 'fd00::1', 'FD00:0:0::0001', '::ffff:10.0.0.1'].map((ip) => who(ip)),
    Array(4).fill('web'),
  );
});

const apiServer =
  'apiVersion: v1\nkind: Endpoints\nmetadata: {name: kubernetes}\nsubsets: [{addresses: [{ip: 192.168.0.1}], ports: [{name: https, port: 6443}]}]';

test("at a node's address the port tells the API server from the node", (t) => {
  const who = asker(node, apiServer);
  t.is(who('192.168.0.1', 10, 6443), 'api-server');
  t.is(who('192.168.0.1', 10, 10_250), 'node n1');
});

test('an API server outside of the nodes has its address for itself', (t) => {
  t.is(asker(apiServer)('192.168.0.1', 10, 443), 'api-server');
});

test('a Service owns its address; on a node it shares, only with its ports', (t) => {
  const who = asker(
    node,
    serviceManifest('web', { clusterIP: '10.96.0.9', externalIPs: ['192.168.0.1'], ports: [{ port: 80 }] }),
  );
  t.is(who('10.96.0.9', 10, 81), 'service web');
  t.is(who('192.168.0.1', 10, 80), 'service web');
  t.is(who('192.168.0.1', 10, 22), 'node n1');
});

test('an address that both a pod and a Service claim is ambiguous', (t) => {
  const service = serviceManifest('web', { clusterIP: '10.0.0.1', ports: [{ port: 80 }] });
  t.is(asker(podManifest({ name: 'a', start: 5, ips: ['10.0.0.1'] }), service)('10.0.0.1', 10, 80), 'ambiguous');
});

test('inside of the cluster nobody is external; outside everybody is, once the ranges are complete', (t) => {
  const who = asker(kubeadm, node);
  t.deepEqual(
    ['10.244.7.7', '10.96.3.3', 'fd00:10::9'].map((ip) => who(ip)),
    Array(3).fill('no-owner'),
  );
  t.is(who('10.1.2.3'), 'external 10.1.2.3');
  t.is(who('2001:DB8::1'), 'external 2001:db8::1');
});

test('without complete ranges a private address may be inside, a public one not', (t) => {
  const who = asker(node);
  for (const ip of [
    '10.1.2.3',
    '172.20.0.1',
    '192.168.7.7',
    '100.64.0.1',
    '240.0.0.1',
    '239.1.1.1',
    'fd12::1',
    'ff02::1',
  ]) {
    t.is(who(ip), 'no-owner', ip);
  }
  t.is(who('203.0.113.9'), 'external 203.0.113.9');
  t.is(who('10.244.1.77'), 'no-owner');
});

test('link-local services keep their address, loopback is nobody', (t) => {
  for (const who of [asker(node), asker(kubeadm)]) {
    t.is(who('169.254.169.254', 10, 80), 'external 169.254.169.254');
    t.is(who('169.254.20.10', 10, 53), 'external 169.254.20.10');
    t.is(who('127.0.0.1'), 'no-owner');
    t.is(who('::1'), 'no-owner');
    t.is(who('0.0.0.0'), 'no-owner');
  }
});

test('text that is no address is said to be none', (t) => {
  const who = asker(node);
  for (const ip of ['', 'web', '010.0.0.1', '10.1', '10.0.0.256', '1::2::3', '__proto__'])
    t.is(who(ip), 'no address', ip);
});

test('an address is remembered by its time, not by its first answer', (t) => {
  const who = asker(podManifest({ name: 'a', start: 10, ips: ['fd00::1'] }));
  t.deepEqual(
    [who('FD00::1', 5), who('FD00::1', 15), who('FD00::1', 5)],
    ['before-inventory', 'a', 'before-inventory'],
  );
});

// Ten addresses and sixty seconds, so that owners meet.
const ipAt = (n: number) => formatIp({ family: 4, value: 0x0a000000n + BigInt(n) });
const lives = fc.array(
  fc.record({
    ip: fc.nat(9),
    workload: fc.nat(3),
    start: fc.option(fc.nat(59), { nil: undefined }),
    length: fc.option(fc.nat(30), { nil: undefined }),
    hostNetwork: fc.boolean(),
  }),
  { maxLength: 20 },
);

function clusterOfLives(
  facts: typeof lives extends fc.Arbitrary<infer Facts> ? Facts : never,
  complete: boolean,
): Cluster {
  const pods = facts.map(({ ip, workload, start, length, hostNetwork }, i): Pod => {
    const startMs = start === undefined ? undefined : at(start);
    return {
      namespace: 'shop',
      name: `pod-${i}`,
      workload: `shop/Deployment/w${workload}` as WorkloadKey,
      labels: {},
      containerPorts: [],
      ips: [ipAt(ip)],
      node: undefined,
      hostNetwork,
      phase: 'Running',
      startMs,
      endMs: length === undefined ? undefined : (startMs ?? at(0)) + length * 1_000,
      virtual: false,
    };
  });
  return {
    namespaces: new Map(),
    workloads: new Map(),
    pods,
    nodes: [],
    services: [],
    policies: [],
    webhooks: [],
    exposures: [],
    apiServer: { ips: [], port: undefined },
    cidrs: { pods: cidrSetOf('10.0.0.0/29'), services: noAddresses, nodes: noAddresses, complete },
  };
}

test('property: an owner is named only inside of its interval, and only when no other workload overlaps', (t) => {
  fc.assert(
    fc.property(lives, fc.boolean(), fc.nat(11), fc.nat(70), (facts, complete, ip, second) => {
      const cluster = clusterOfLives(facts, complete);
      const timeMs = at(second);
      const owner = new IdentityLedger(cluster).owner(ipAt(ip), 80, timeMs);
      const alive = cluster.pods.filter(
        (pod) =>
          !pod.hostNetwork &&
          pod.ips.includes(ipAt(ip)) &&
          (pod.startMs ?? Number.NEGATIVE_INFINITY) <= timeMs &&
          timeMs < (pod.endMs ?? Number.POSITIVE_INFINITY),
      );
      const workloads = new Set(alive.map(({ workload }) => workload));
      if (workloads.size === 1) return owner?.kind === 'pod' && alive.includes(owner.pod);
      if (workloads.size > 1) return owner?.kind === 'unknown' && owner.reason === 'ambiguous';
      return owner?.kind === 'unknown' || owner?.kind === 'external';
    }),
    { numRuns: 1_000 },
  );
  t.pass();
});

test('property: no address inside of the ranges of the cluster is ever external', (t) => {
  fc.assert(
    fc.property(lives, fc.boolean(), fc.nat(15), fc.nat(70), fc.nat(65_535), (facts, complete, ip, second, port) => {
      const owner = new IdentityLedger(clusterOfLives(facts, complete)).owner(ipAt(ip), port, at(second));
      const known = ip < 8 || facts.some((fact) => fact.ip === ip && !fact.hostNetwork);
      return !(known && owner?.kind === 'external');
    }),
    { numRuns: 1_000 },
  );
  t.pass();
});
