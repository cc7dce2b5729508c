import test from 'ava';
import fc from 'fast-check';
import { load } from 'js-yaml';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import { cidrSetOf } from '../../controller/model/cidr.ts';
import type { Connection } from '../../controller/model/connection.ts';
import type { IngressRule, NetworkPolicy, PolicyPeer } from '../../controller/model/network-policy.ts';
import { defaultProfile, type Profile } from '../../controller/model/profile.ts';
import type { Proof } from '../../controller/model/proposal.ts';
import { cniProfile } from '../../controller/policy/cni-profiles.ts';
import { kubernetesDialect } from '../../controller/policy/dialects/kubernetes.ts';
import { indexCluster } from '../../controller/policy/evaluate/cluster-index.ts';
import { policyYaml } from '../../controller/policy/policy-yaml.ts';
import { proofWorld } from '../../controller/policy/proof-world.ts';
import { prove } from '../../controller/policy/prove.ts';
import { type EditedPolicies, proveEdited } from '../../controller/policy/prove-edited.ts';
import { synthesize, synthesizer } from '../../controller/policy/synthesize.ts';
import { buildCluster, keyOf } from '../support/build-cluster.ts';
import { connection, connectionSource } from '../support/build-connections.ts';
import { clusterOf, sightingOf } from '../support/worlds/in-memory.ts';
import { worldArbitrary } from '../support/worlds/world.ts';

const profile: Profile = { ...defaultProfile, cni: 'calico' };
const cni = cniProfile('calico');
const cluster = buildCluster(
  [
    { name: 'web', labels: { app: 'web' } },
    { name: 'cart', labels: { app: 'cart' } },
    { name: 'redis', labels: { app: 'redis' } },
    { name: 'report', namespace: 'audit', labels: { app: 'report' } },
  ],
  {
    cidrs: {
      pods: cidrSetOf('10.244.0.0/16'),
      services: cidrSetOf('10.96.0.0/16'),
      nodes: cidrSetOf(),
      complete: true,
    },
  },
);
const world = proofWorld(indexCluster(cluster), [], profile);
const seen = [
  connection('shop/web > shop/cart TCP 8080'),
  connection('shop/report > shop/cart TCP 9100', { allowed: 0, denied: 2 }),
  connection('shop/cart > shop/redis TCP 6379'),
  connection('shop/cart > 203.0.113.7 TCP 443'),
];

/** What nanoseg itself proposes for the cart, and the same with a hand laid on it. */
function cart(edit: (policy: NetworkPolicy) => NetworkPolicy | NetworkPolicy[] = (policy) => policy): EditedPolicies {
  const result = synthesizer({ cluster, connections: connectionSource(seen), profile, cni })(keyOf('shop/cart'));
  if (result.kind !== 'synthesised') throw new Error(JSON.stringify(result));
  const { draft } = result;
  const [policy] = kubernetesDialect.render(draft, cni).objects as [NetworkPolicy];
  const policies = [edit(policy)].flat();
  return { namespace: 'shop', workloads: draft.workloads, policies, machineDraft: draft, connections: seen };
}

const ingress = (rules: readonly IngressRule[]) => (policy: NetworkPolicy) => ({
  ...policy,
  spec: { ...policy.spec, ingress: rules },
});
const failedOf = ({ checks }: Proof) => checks.filter(({ passed }) => !passed).map(({ name }) => name);
const messageOf = ({ checks }: Proof, wanted: string) => checks.find(({ name }) => name === wanted)?.message ?? '';
const web: PolicyPeer = { podSelector: { matchLabels: { app: 'web' } } };
const ports = [{ protocol: 'TCP' as const, port: 8080 }];

test('a text that nobody edited is valid and lists nothing', (t) => {
  const proof = proveEdited(cart(), world);
  t.deepEqual(failedOf(proof), []);
  t.deepEqual([proof.overGrants, proof.wouldDeny], [[], []]);
  t.is(
    messageOf(proof, 'evidence-allowed'),
    'the edit takes nothing away of the 3 connections that nanoseg would allow',
  );
  t.is(messageOf(proof, 'no-over-grant'), 'the edit adds nothing beyond the evidence');
});

test('whatever the world, the unedited text proves what the proposal proved', (t) => {
  const property = fc.property(worldArbitrary, (generated) => {
    const inventory = clusterOf(generated.deployed);
    const graph = new TrafficGraph({ binMs: profile.learning.binMs });
    for (const event of generated.traffic) graph.observe(sightingOf(event));
    const shared = proofWorld(indexCluster(inventory), inventory.policies, profile);
    for (const result of synthesize({ cluster: inventory, connections: graph, profile, cni })) {
      if (result.kind !== 'synthesised') continue;
      const { draft } = result;
      const rendering = kubernetesDialect.render(draft, cni);
      const documents = [load(policyYaml(rendering, undefined))];
      const connections = graph.connectionsOf(result.workload);
      const made = prove(
        { rendering, readBack: kubernetesDialect.readBack(documents, rendering), connections },
        shared,
      );
      const { namespace, workloads } = draft;
      const policies = documents as NetworkPolicy[];
      const read = proveEdited({ namespace, workloads, policies, machineDraft: draft, connections }, shared);
      t.deepEqual(failedOf(read), []);
      const { checks: _made, ...findings } = made;
      const { checks: _read, ...same } = read;
      t.deepEqual(same, findings);
    }
  });
  fc.assert(property, { numRuns: 25 });
});

test('whatever peer an edit removes, exactly its connections would be denied', (t) => {
  const clients = ['web', 'redis', 'mail'].map((name) => ({ name, labels: { app: name } }));
  const inventory = buildCluster([...clients, { name: 'cart', labels: { app: 'cart' } }]);
  const asked = fc.uniqueArray(
    fc.record({ from: fc.constantFrom('web', 'redis', 'mail'), port: fc.constantFrom(80, 443) }),
    {
      minLength: 1,
      selector: ({ from, port }) => `${from} ${port}`,
    },
  );
  const property = fc.property(asked, fc.nat(), (pairs, which) => {
    const connections = pairs
      .map(({ from, port }): Connection => connection(`shop/${from} > shop/cart TCP ${port}`))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    const removed = pairs[which % pairs.length]?.from;
    const result = synthesizer({ cluster: inventory, connections: connectionSource(connections), profile, cni })(
      keyOf('shop/cart'),
    );
    if (result.kind !== 'synthesised') throw new Error(JSON.stringify(result));
    const { draft } = result;
    const rules = draft.ingress.flatMap(({ peers, ports: open }): IngressRule[] => {
      const kept = peers
        .flatMap((peer) => (peer.kind === 'pods' ? peer.workloads : []))
        .filter((key) => key !== keyOf(`shop/${removed}`));
      const from = kept.map((key) => ({ podSelector: { matchLabels: { app: key.split('/')[2] ?? '' } } }));
      return from.length === 0 ? [] : [{ from, ports: open.map(({ protocol, port }) => ({ protocol, port })) }];
    });
    const [policy] = kubernetesDialect.render(draft, cni).objects as [NetworkPolicy];
    const policies = [ingress(rules)(policy)];
    const shared = proofWorld(indexCluster(inventory), [], profile);
    const proof = proveEdited(
      { namespace: 'shop', workloads: draft.workloads, policies, machineDraft: draft, connections },
      shared,
    );
    t.true(proof.valid);
    t.deepEqual(
      proof.wouldDeny.map((one) => one.connection),
      connections.filter(({ id }) => id.includes(`/${removed}>`)).map(({ id }) => id),
    );
    t.deepEqual(proof.overGrants, []);
  });
  fc.assert(property, { numRuns: 100 });
});

test('what an edit adds is an over-grant of the edit, and valid', (t) => {
  const report = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'audit' } } };
  const proof = proveEdited(cart(ingress([{ from: [web, report], ports }])), world);
  t.true(proof.valid);
  t.deepEqual(proof.overGrants, [
    {
      direction: 'ingress',
      peer: 'audit/Deployment/report',
      protocol: 'TCP',
      ports: '8080',
      allowance: undefined,
      widenedBy: 'edit',
    },
  ]);
  t.regex(messageOf(proof, 'no-over-grant'), /the edit adds 1 grant that no evidence asked for: ingress audit/);
});

test('what an edit takes away is said in the check and listed', (t) => {
  const proof = proveEdited(cart(ingress([])), world);
  t.true(proof.valid);
  t.is(
    messageOf(proof, 'evidence-allowed'),
    'the edit takes away 1 of the 3 connections that nanoseg would allow: ingress shop/Deployment/web TCP 8080 is denied',
  );
  t.deepEqual(
    proof.wouldDeny.map(({ connection: id }) => id),
    [seen[0]?.id],
  );
});

test('without a proposal of its own, all that passed is the evidence', (t) => {
  const proof = proveEdited({ ...cart(), machineDraft: undefined }, world);
  t.deepEqual(failedOf(proof), []);
  t.deepEqual([proof.overGrants, proof.wouldDeny], [[], []]);
});

test('an edit that means everybody, every port or the whole world fails, however it says so', (t) => {
  const anyone: readonly IngressRule[] = [
    {},
    { ports },
    { from: [], ports },
    { from: [web] },
    { from: [web], ports: [{ protocol: 'TCP' }] },
    { from: [web], ports: [{ port: 1, endPort: 65_535 }] },
    {
      from: [web],
      ports: [
        { port: 1, endPort: 30_000 },
        { port: 30_001, endPort: 65_535 },
      ],
    },
    { from: [{ podSelector: {} }], ports },
    { from: [{ podSelector: { matchExpressions: [{ key: 'app', operator: 'Exists' }] } }], ports },
    { from: [{ podSelector: { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['x'] }] } }], ports },
    { from: [{ namespaceSelector: {}, ...web }], ports },
    { from: [{ namespaceSelector: { matchExpressions: [{ key: 'x', operator: 'DoesNotExist' }] } }], ports },
    { from: [{ ipBlock: { cidr: '0.0.0.0/0' } }], ports },
    { from: [{ ipBlock: { cidr: '::/0' } }], ports },
    { from: [{ ipBlock: { cidr: '0.0.0.0/1' } }, { ipBlock: { cidr: '128.0.0.0/1' } }], ports },
  ];
  for (const rule of anyone) {
    const proof = proveEdited(cart(ingress([rule])), world);
    t.deepEqual(failedOf(proof), ['no-allow-all'], JSON.stringify(rule));
  }
});

test('the world that nanoseg would open may be opened, but never with the pods of the cluster in it', (t) => {
  const { machineDraft, ...rest } = cart();
  const asked = connection('203.0.113.7 > shop/cart TCP 8080');
  const opened = machineDraft && {
    ...machineDraft,
    ingress: [
      {
        peers: [{ kind: 'world' as const, except: ['10.244.0.0/16'] }],
        ports: [{ protocol: 'TCP' as const, port: 8080, endPort: undefined, name: undefined }],
        because: 'open-to-world' as const,
        evidence: [asked.id],
      },
    ],
  };
  const proofWith = (except: readonly string[]) => {
    const from = [{ ipBlock: { cidr: '0.0.0.0/0', except } }];
    const policies = rest.policies.map(ingress([{ from, ports }]));
    return proveEdited({ ...rest, policies, machineDraft: opened, connections: [...seen, asked] }, world);
  };
  t.deepEqual(failedOf(proofWith(['10.244.0.0/16'])), []);
  t.deepEqual(failedOf(proofWith(['10.245.0.0/16'])), ['no-allow-all']);
});

test('an edit that leaves a direction open, or selects other pods, fails', (t) => {
  const half = cart((policy) => ({ ...policy, spec: { ...policy.spec, policyTypes: ['Ingress'] } }));
  t.deepEqual(failedOf(proveEdited(half, world)), ['isolated']);
  const wide = cart((policy) => ({ ...policy, spec: { ...policy.spec, podSelector: {} } }));
  t.deepEqual(failedOf(proveEdited(wide, world)), ['subject-exact']);
});

test('an edit may split a policy in two', (t) => {
  const split = cart((policy) => [
    {
      ...policy,
      spec: { podSelector: policy.spec.podSelector, policyTypes: ['Ingress'], ingress: policy.spec.ingress ?? [] },
    },
    {
      ...policy,
      metadata: { ...policy.metadata, name: 'nanoseg-cart-out' },
      spec: { podSelector: policy.spec.podSelector, policyTypes: ['Egress'], egress: policy.spec.egress ?? [] },
    },
  ]);
  const proof = proveEdited(split, world);
  t.deepEqual(failedOf(proof), []);
  t.deepEqual([proof.overGrants, proof.wouldDeny], [[], []]);
});

test('an edit that is not for this namespace, under a name of its own and with the label, is not read at all', (t) => {
  const meta = (metadata: Partial<NetworkPolicy['metadata']>) =>
    proveEdited(
      cart((policy) => ({ ...policy, metadata: { ...policy.metadata, ...metadata } })),
      world,
    );
  const saying = (proof: Proof) => {
    t.false(proof.valid);
    return messageOf(proof, 'read-back');
  };
  t.regex(saying(meta({ namespace: 'audit' })), /is in namespace audit, not in shop/);
  t.regex(saying(meta({ name: 'cart' })), /does not begin with nanoseg-/);
  t.regex(saying(meta({ name: 'nanoseg-redis' })), /nanoseg-redis is the policy of shop\/Deployment\/redis/);
  t.regex(saying(meta({ name: 'nanoseg-default-deny' })), /has a meaning of its own/);
  t.regex(saying(meta({ labels: {} })), /lacks the label app\.kubernetes\.io\/managed-by: nanoseg/);
  t.regex(
    saying(
      proveEdited(
        cart((policy) => [policy, policy]),
        world,
      ),
    ),
    /two policies have the name/,
  );
  t.regex(
    saying(
      proveEdited(
        cart(() => []),
        world,
      ),
    ),
    /holds no policy/,
  );
});
