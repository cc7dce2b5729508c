import test from 'ava';
import { cidrSetOf } from '../../controller/model/cidr.ts';
import type { Cluster } from '../../controller/model/cluster.ts';
import type { Connection } from '../../controller/model/connection.ts';
import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import type { DraftPeer, DraftRule, PolicyDraft } from '../../controller/model/policy-draft.ts';
import { defaultProfile, type Profile } from '../../controller/model/profile.ts';
import type { Proof, ProofCheck } from '../../controller/model/proposal.ts';
import { cniProfile } from '../../controller/policy/cni-profiles.ts';
import type { ReadBack } from '../../controller/policy/dialects/dialect.ts';
import { dialect } from '../../controller/policy/dialects/dialects.ts';
import { indexCluster } from '../../controller/policy/evaluate/cluster-index.ts';
import { proofWorld } from '../../controller/policy/proof-world.ts';
import { prove } from '../../controller/policy/prove.ts';
import { buildCluster, keyOf } from '../support/build-cluster.ts';
import { connection } from '../support/build-connections.ts';

const shop = (parts: Partial<Cluster> = {}) =>
  buildCluster(
    [
      { name: 'web', labels: { app: 'web', tier: 'front' } },
      { name: 'cart', labels: { app: 'cart', tier: 'back' } },
      { name: 'redis', labels: { app: 'redis', tier: 'back' } },
      {
        name: 'agent',
        kind: 'DaemonSet',
        labels: { app: 'agent' },
        hostNetwork: true,
        pods: [{ node: 'a', ips: ['172.18.0.2'] }],
      },
      { name: 'report', namespace: 'audit', labels: { app: 'report' } },
    ],
    {
      nodes: [{ name: 'a', labels: {}, ips: ['172.18.0.2'], hostIps: ['172.18.0.2'], podCidrs: [] }],
      apiServer: { ips: ['172.18.0.2'], port: 6443 },
      cidrs: {
        pods: cidrSetOf('10.244.0.0/16'),
        services: cidrSetOf('10.96.0.0/16'),
        nodes: cidrSetOf('172.18.0.2'),
        complete: true,
      },
      ...parts,
    },
  );

const port = (number: number) => ({ protocol: 'TCP' as const, port: number, endPort: undefined, name: undefined });
const pods = (...apps: string[]): DraftPeer => ({
  kind: 'pods',
  podSelector:
    apps.length === 1
      ? { matchLabels: { app: apps[0] as string } }
      : { matchExpressions: [{ key: 'app', operator: 'In', values: apps }] },
  namespaceSelector: undefined,
  namespaces: ['shop'],
  workloads: apps.map((app) => keyOf(`shop/${app}`)),
});
const rule = (
  peers: readonly DraftPeer[],
  number: number,
  evidence: readonly Connection[],
  because: DraftRule['because'] = 'learned',
): DraftRule => {
  return { peers, ports: [port(number)], because, evidence: evidence.map(({ id }) => id) };
};
const draft = (ingress: readonly DraftRule[], egress: readonly DraftRule[] = []): PolicyDraft => ({
  namespace: 'shop',
  name: 'nanoseg-cart',
  workloads: [keyOf('shop/cart')],
  subject: { matchLabels: { app: 'cart' } },
  ingress,
  egress,
});

interface Case {
  readonly connections: readonly Connection[];
  readonly profile?: Partial<Profile>;
  readonly cluster?: Cluster;
  readonly policies?: readonly NetworkPolicy[];
  readonly readBack?: (readBack: ReadBack) => ReadBack;
  readonly name?: 'kubernetes' | 'cilium';
}

function proofOf(
  of: PolicyDraft,
  { connections, profile, cluster = shop(), policies = [], readBack, name = 'kubernetes' }: Case,
): Proof {
  const whole: Profile = { ...defaultProfile, cni: 'calico', ...profile };
  const rendering = dialect(name).render(of, cniProfile(whole.cni));
  const read = dialect(name).readBack(structuredClone(rendering.objects), rendering);
  const shared = proofWorld(indexCluster(cluster), policies, whole);
  return prove({ rendering, readBack: readBack ? readBack(read) : read, connections }, shared);
}

const failedOf = ({ checks }: Proof) => checks.filter(({ passed }) => !passed).map(({ name }) => name);
const messageOf = ({ checks }: Proof, wanted: ProofCheck['name']) =>
  checks.find(({ name }) => name === wanted)?.message ?? '';

const fromWeb = connection('shop/web > shop/cart TCP 8080');
const toRedis = connection('shop/cart > shop/redis TCP 6379');
const good = draft([rule([pods('web')], 8080, [fromWeb])], [rule([pods('redis')], 6379, [toRedis])]);

test('a policy that allows exactly what was seen is valid in both dialects, with no over-grant and nothing denied', (t) => {
  for (const [name, cni] of [
    ['kubernetes', 'generic'],
    ['cilium', 'cilium'],
  ] as const) {
    const proof = proofOf(good, { connections: [fromWeb, toRedis], name, profile: { cni } });
    t.deepEqual(failedOf(proof), []);
    t.true(proof.valid);
    t.deepEqual(proof.overGrants, []);
    t.deepEqual(proof.wouldDeny, []);
    t.is(messageOf(proof, 'evidence-allowed'), 'all 2 cited connections are allowed');
  }
});

test('reachable pairs are all pairs before any policy, and the two that were seen after', (t) => {
  const { reachableBefore, reachableAfter } = proofOf(good, { connections: [fromWeb, toRedis] });
  t.deepEqual([reachableBefore, reachableAfter], [4 + 4 + 1, 2]);
});

test('a cited connection that the policy denies fails the proof', (t) => {
  const elsewhere = connection('shop/web > shop/cart TCP 9090');
  const proof = proofOf(draft([rule([pods('web')], 8080, [fromWeb, elsewhere])]), {
    connections: [fromWeb, elsewhere],
  });
  t.deepEqual(failedOf(proof), ['evidence-allowed']);
  t.is(messageOf(proof, 'evidence-allowed'), 'ingress shop/Deployment/web TCP 9090 is denied');
});

test('a denied attempt, or a connection that nobody saw, is no evidence', (t) => {
  const denied = connection('shop/web > shop/cart TCP 8080', { allowed: 0, denied: 3 });
  t.deepEqual(failedOf(proofOf(good, { connections: [denied, toRedis] })), ['evidence-allowed', 'no-over-grant']);
  t.deepEqual(failedOf(proofOf(good, { connections: [toRedis] })), ['evidence-allowed', 'no-over-grant']);
});

test('a peer that no evidence asked for is an over-grant and fails the proof', (t) => {
  const proof = proofOf(draft([rule([pods('web', 'redis')], 8080, [fromWeb])]), { connections: [fromWeb] });
  t.deepEqual(failedOf(proof), ['no-over-grant']);
  t.deepEqual(proof.overGrants, [
    {
      direction: 'ingress',
      peer: 'shop/Deployment/redis',
      protocol: 'TCP',
      ports: '8080',
      allowance: undefined,
      widenedBy: undefined,
    },
  ]);
});

test('a port that no evidence asked for is an over-grant and fails the proof', (t) => {
  const wide = rule([pods('web')], 8080, [fromWeb]);
  const proof = proofOf(draft([{ ...wide, ports: [port(8080), port(22)] }]), { connections: [fromWeb] });
  t.deepEqual(
    proof.overGrants.map(({ ports }) => ports),
    ['22'],
  );
  t.false(proof.valid);
});

test('a selector that also takes the pods of another workload fails the proof', (t) => {
  const proof = proofOf({ ...good, subject: { matchLabels: { tier: 'back' } } }, { connections: [fromWeb, toRedis] });
  t.deepEqual(failedOf(proof), ['subject-exact']);
  t.is(messageOf(proof, 'subject-exact'), 'it selects pods of shop/Deployment/redis');
});

test('a selector that will miss the pods of the next rollout fails the proof', (t) => {
  const hash = { 'pod-template-hash': '7c9f8d' };
  const cluster = buildCluster([
    { name: 'cart', labels: { app: 'cart' }, pods: [{ labels: { app: 'cart', ...hash }, ips: ['10.244.0.7'] }] },
    { name: 'web', labels: { app: 'web' } },
  ]);
  const narrow = draft([rule([pods('web')], 8080, [fromWeb])]);
  const proof = proofOf(
    { ...narrow, subject: { matchLabels: { app: 'cart', ...hash } } },
    { connections: [fromWeb], cluster },
  );
  t.true(failedOf(proof).includes('subject-exact'));
  t.regex(
    messageOf(proof, 'subject-exact'),
    /does not select every pod .*; it selects by pod-template-hash, which changes/,
  );
});

test('a direction that is not isolated fails the proof', (t) => {
  const proof = proofOf(good, {
    connections: [fromWeb, toRedis],
    readBack: (read) => ({
      ...read,
      policies: read.policies.map((policy) => ({ ...policy, spec: { ...policy.spec, policyTypes: ['Ingress'] } })),
    }),
  });
  t.deepEqual(failedOf(proof), ['isolated']);
});

test('a rule that means everybody, every port or every address fails the proof', (t) => {
  const replaced = (ingress: NonNullable<NetworkPolicy['spec']['ingress']>) => (read: ReadBack) => ({
    ...read,
    policies: read.policies.map((policy) => ({ ...policy, spec: { ...policy.spec, ingress } })),
  });
  const ports = [{ protocol: 'TCP' as const, port: 8080 }];
  const all = { connections: [fromWeb, toRedis] };
  for (const ingress of [
    [{ ports }],
    [{ from: [], ports }],
    [{ from: [{ podSelector: { matchLabels: { app: 'web' } } }] }],
    [{ from: [{ podSelector: {} }], ports }],
    [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: 'web' } } }], ports }],
    [{ from: [{ ipBlock: { cidr: '0.0.0.0/0' } }], ports }],
  ]) {
    const proof = proofOf(good, { ...all, readBack: replaced(ingress) });
    t.true(failedOf(proof).includes('no-allow-all'), JSON.stringify(ingress));
  }
});

test('text that reads back as something else fails the proof, and nothing else is claimed', (t) => {
  const proof = proofOf(good, {
    connections: [fromWeb, toRedis],
    readBack: () => ({ policies: [], identityPolicies: [], faults: ['not as rendered: document[0].spec'] }),
  });
  t.false(proof.valid);
  t.is(proof.checks.filter(({ passed }) => passed).length, 1);
});

test('what the dialect cannot say fails the proof', (t) => {
  const proof = proofOf(good, { connections: [fromWeb, toRedis], name: 'cilium', profile: { cni: 'calico' } });
  t.deepEqual(failedOf(proof), ['dialect-complete']);
});

test('a namespace selector that does not mean exactly the namespaces it stands for fails the proof', (t) => {
  const seen = connection('audit/report > shop/cart TCP 8080');
  const peer: DraftPeer = {
    kind: 'pods',
    podSelector: { matchLabels: { app: 'report' } },
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'shop' } },
    namespaces: ['audit'],
    workloads: [keyOf('audit/report')],
  };
  const proof = proofOf(draft([rule([peer], 8080, [seen])]), {
    connections: [seen],
    name: 'cilium',
    profile: { cni: 'cilium' },
  });
  t.true(failedOf(proof).includes('read-back'));
});

test('connections that were held back are in the list of what would be denied', (t) => {
  const scan = connection('shop/redis > shop/cart TCP 22');
  const { wouldDeny, valid } = proofOf(good, { connections: [fromWeb, toRedis, scan] });
  t.true(valid);
  t.deepEqual(wouldDeny, [{ connection: scan.id, message: 'ingress shop/Deployment/redis TCP 22: no rule allows it' }]);
});

test('policies that stay in force keep allowing what they allow, and count in the reachable pairs', (t) => {
  const scrape = connection('shop/redis > shop/cart TCP 9100');
  const own: NetworkPolicy = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'metrics', namespace: 'shop' },
    spec: {
      podSelector: {},
      policyTypes: ['Ingress'],
      ingress: [
        { from: [{ podSelector: { matchLabels: { app: 'redis' } } }], ports: [{ protocol: 'TCP', port: 9100 }] },
      ],
    },
  };
  const all = { connections: [fromWeb, toRedis, scrape] };
  const proof = proofOf(good, { ...all, policies: [own] });
  t.deepEqual(proof.wouldDeny, []);
  t.deepEqual([proof.reachableBefore, proof.reachableAfter], [1 + 4, 2 + 1]);
  const replaced = { ...own, metadata: { ...own.metadata, name: 'nanoseg-cart' } };
  t.is(proofOf(good, { ...all, policies: [replaced] }).wouldDeny.length, 1);
  const managed = { ...own, metadata: { ...own.metadata, labels: { 'app.kubernetes.io/managed-by': 'nanoseg' } } };
  t.is(proofOf(good, { ...all, policies: [managed] }).wouldDeny.length, 1);
});

test('what a network of the profile adds is listed under it; what no profile asked for fails', (t) => {
  const seen = connection('shop/cart > 203.0.113.7 TCP 443');
  const office: DraftPeer = { kind: 'cidr', cidr: '203.0.113.0/24', except: [], network: 'office', dnsNames: [] };
  const external = { ...defaultProfile.external, networks: [{ name: 'office', cidrs: ['203.0.113.0/24'] }] };
  const of = draft([], [rule([office], 443, [seen])]);
  const asked = proofOf(of, { connections: [seen], profile: { external } });
  t.true(asked.valid);
  t.deepEqual(asked.overGrants, [
    {
      direction: 'egress',
      peer: '203.0.113.0/24 (network office)',
      protocol: 'TCP',
      ports: '443',
      allowance: undefined,
      widenedBy: 'network',
    },
  ]);
  t.deepEqual(failedOf(proofOf(of, { connections: [seen] })), ['no-over-grant']);
});

test('blocks are wider than the addresses seen only as far as the profile bounds it', (t) => {
  const seen = ['203.0.113.4', '203.0.113.5', '203.0.113.6'].map((ip) => connection(`shop/cart > ${ip} TCP 443`));
  const block: DraftPeer = { kind: 'cidr', cidr: '203.0.113.4/30', except: [], network: undefined, dnsNames: [] };
  const of = draft([], [rule([block], 443, seen)]);
  const bounded = (addedAddresses: number) =>
    proofOf(of, { connections: seen, profile: { external: { ...defaultProfile.external, addedAddresses } } });
  t.deepEqual(
    bounded(1).overGrants.map(({ widenedBy }) => widenedBy),
    ['added-addresses'],
  );
  t.true(bounded(1).valid);
  t.false(bounded(0).valid);
});

test('the world, but for the ranges of the cluster, is an over-grant under its name', (t) => {
  const seen = connection('203.0.113.7 > shop/cart TCP 8080');
  const world: DraftPeer = { kind: 'world', except: ['10.244.0.0/16', '10.96.0.0/16', '172.18.0.0/24'] };
  const nodes = cidrSetOf('172.18.0.0/24');
  const cluster = shop({
    cidrs: { pods: cidrSetOf('10.244.0.0/16'), services: cidrSetOf('10.96.0.0/16'), nodes, complete: true },
  });
  const open = proofOf(draft([rule([world], 8080, [seen], 'open-to-world')]), { connections: [seen], cluster });
  t.deepEqual(failedOf(open), []);
  t.deepEqual(
    open.overGrants.map(({ peer, allowance }) => [peer, allowance]),
    [['every address outside of the cluster', 'open-to-world']],
  );
  const learned = proofOf(draft([rule([world], 8080, [seen])]), { connections: [seen], cluster });
  t.deepEqual(failedOf(learned), ['no-over-grant', 'no-allow-all']);
});

test('a world that forgets the pods of the cluster fails the proof, whatever its name', (t) => {
  const seen = connection('203.0.113.7 > shop/cart TCP 8080');
  const world: DraftPeer = { kind: 'world', except: ['172.18.0.0/24'] };
  const cluster = buildCluster([
    { name: 'cart', labels: { app: 'cart' } },
    { name: 'web', labels: { app: 'web' }, pods: [{ ips: ['10.244.0.9'] }] },
  ]);
  const proof = proofOf(draft([rule([world], 8080, [seen], 'open-to-world')]), { connections: [seen], cluster });
  t.deepEqual(failedOf(proof), ['no-over-grant']);
  t.regex(messageOf(proof, 'no-over-grant'), /shop\/Deployment\/web TCP 8080 was never seen/);
});

test('an allowance with a kind of peer that its name does not stand for is none', (t) => {
  const proof = proofOf(draft([rule([pods('web')], 8080, [], 'kube-apiserver')]), { connections: [] });
  t.deepEqual(failedOf(proof), ['no-over-grant']);
});

test('the API server on a node is reached by its address, and in Cilium by its entity', (t) => {
  const call = connection('shop/cart > apiserver TCP 6443');
  const apiserver: DraftPeer = { kind: 'apiserver', addresses: ['172.18.0.2'] };
  const of = draft([], [rule([apiserver], 6443, [call], 'kube-apiserver')]);
  t.deepEqual(failedOf(proofOf(of, { connections: [call] })), []);
  t.deepEqual(failedOf(proofOf(of, { connections: [call], name: 'cilium', profile: { cni: 'cilium' } })), []);
  t.deepEqual(failedOf(proofOf(of, { connections: [call], profile: { cni: 'cilium' } })), ['evidence-allowed']);
});

test('the bridges of nodes are nodes that call, and in egress an over-grant', (t) => {
  const nodes = [
    { name: 'a', labels: {}, ips: ['172.18.0.2', '10.244.1.1'], hostIps: ['172.18.0.2'], podCidrs: ['10.244.1.0/24'] },
  ];
  const cluster = shop({
    nodes,
    cidrs: {
      pods: cidrSetOf('10.244.0.0/16'),
      services: cidrSetOf('10.96.0.0/16'),
      nodes: cidrSetOf('172.18.0.2', '10.244.1.1'),
      complete: true,
    },
  });
  const all: DraftPeer = { kind: 'nodes', cidrs: ['10.244.1.1/32', '172.18.0.2/32'] };
  const hosts: DraftPeer = { kind: 'nodes', cidrs: ['172.18.0.2/32'] };
  const incoming = connection('node:a > shop/cart TCP 8080');
  const outgoing = connection('shop/cart > node:a TCP 9100');
  const calls = { connections: [incoming, outgoing], cluster };
  const ingress = (peer: DraftPeer) => rule([peer], 8080, [incoming], 'node-traffic');
  const egress = (peer: DraftPeer) => rule([peer], 9100, [outgoing], 'node-traffic');
  t.deepEqual(failedOf(proofOf(draft([ingress(all)], [egress(hosts)]), calls)), []);
  t.deepEqual(failedOf(proofOf(draft([ingress(all)], [egress(all)]), calls)), ['no-over-grant']);
  t.deepEqual(failedOf(proofOf(draft([ingress(hosts)], [egress(hosts)]), calls)), ['evidence-allowed']);
});

test('where nobody knows whether the plugin matches nodes by address, the proof says so twice', (t) => {
  const call = connection('node:a > shop/cart TCP 8080');
  const nodes: DraftPeer = { kind: 'nodes', cidrs: ['172.18.0.2/32'] };
  const of = draft([rule([nodes], 8080, [call], 'node-traffic')]);
  const proof = proofOf(of, { connections: [call], profile: { cni: 'generic' } });
  t.deepEqual(failedOf(proof), []);
  t.regex(
    messageOf(proof, 'evidence-allowed'),
    /connection is allowed, provided that generic matches nodes by address/,
  );
  t.deepEqual(
    proof.wouldDeny.map(({ message }) => message),
    ['ingress node a TCP 8080: whether a rule allows it is not known'],
  );
});

test('an address outside of the cluster is no grant to workloads whose addresses nobody knows', (t) => {
  const seen = connection('shop/cart > 203.0.113.7 TCP 443');
  const address: DraftPeer = {
    kind: 'cidr',
    cidr: '203.0.113.7/32',
    except: [],
    network: undefined,
    dnsNames: ['api.example.com'],
  };
  const base = shop();
  const cluster = { ...base, cidrs: { ...base.cidrs, complete: false } };
  for (const cni of ['generic', 'calico', 'cilium'] as const) {
    const proof = proofOf(draft([], [rule([address], 443, [seen])]), {
      connections: [seen],
      cluster,
      profile: { cni },
    });
    t.deepEqual(failedOf(proof), [], cni);
    t.deepEqual(proof.overGrants, [], cni);
  }
});
