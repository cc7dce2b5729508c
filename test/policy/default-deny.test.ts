import test from 'ava';
import type { NetworkPolicy, NetworkPolicySpec } from '../../controller/model/network-policy.ts';
import { defaultProfile } from '../../controller/model/profile.ts';
import { clusterNaming } from '../../controller/policy/cluster-naming.ts';
import { defaultDeny, defaultDenyYaml, openPods, proveDefaultDeny } from '../../controller/policy/default-deny.ts';
import { indexCluster } from '../../controller/policy/evaluate/cluster-index.ts';
import { learningAllowance } from '../../controller/policy/learning-allowance.ts';
import { proofWorld } from '../../controller/policy/proof-world.ts';
import { readPolicyText } from '../../controller/loop/policy-text.ts';
import { buildCluster, keyOf } from '../support/build-cluster.ts';
import { connection } from '../support/build-connections.ts';

const cluster = buildCluster([
  { name: 'web', labels: { app: 'web' } },
  { name: 'cart', labels: { app: 'cart' } },
  { name: 'agent', kind: 'DaemonSet', labels: { app: 'agent' }, hostNetwork: true },
  { name: 'report', namespace: 'audit', labels: { app: 'report' } },
]);
const world = proofWorld(indexCluster(cluster), [], { ...defaultProfile, cni: 'calico' });

const policy = (app: string, spec: Partial<NetworkPolicySpec> = {}): NetworkPolicy => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: `nanoseg-${app}`, namespace: 'shop', labels: { 'app.kubernetes.io/managed-by': 'nanoseg' } },
  spec: { podSelector: { matchLabels: { app } }, policyTypes: ['Ingress', 'Egress'], ...spec },
});
const ports = [{ protocol: 'TCP' as const, port: 8080 }];
const web = policy('web', { egress: [{ to: [{ podSelector: { matchLabels: { app: 'cart' } } }], ports }] });
const cart = policy('cart', { ingress: [{ from: [{ podSelector: { matchLabels: { app: 'web' } } }], ports }] });
const connections = [
  connection('shop/web > shop/cart TCP 8080'),
  connection('shop/web > shop/cart TCP 22', { allowed: 0, denied: 4 }),
  connection('audit/report > shop/cart TCP 9100'),
];
const failedOf = (policies: readonly NetworkPolicy[]) => {
  const { valid, checks } = proveDefaultDeny({ namespace: 'shop', policies, connections }, world);
  const failed = checks.filter(({ passed }) => !passed).map(({ name }) => name);
  return valid ? [] : failed;
};

test('a namespace of which every pod has a policy is closed without a change for any of them', (t) => {
  t.deepEqual(openPods('shop', [web, cart], world), []);
  const proof = proveDefaultDeny({ namespace: 'shop', policies: [web, cart], connections }, world);
  t.true(proof.valid);
  t.deepEqual([proof.wouldDeny, proof.overGrants], [[], []]);
  t.is(proof.reachableAfter, proof.reachableBefore);
});

test('it stays closed once it is closed', (t) => {
  t.deepEqual(failedOf([web, cart, defaultDeny('shop')]), []);
  t.is(openPods('shop', [web, defaultDeny('shop')], world).length, 2);
});

test('a pod without a policy keeps the namespace open, and is named', (t) => {
  t.deepEqual(openPods('shop', [web], world), [
    'pods of shop/Deployment/cart are not isolated for ingress',
    'pods of shop/Deployment/cart are not isolated for egress',
  ]);
  t.deepEqual(failedOf([web]), ['evidence-allowed', 'no-over-grant', 'isolated']);
});

test('a policy for one direction closes one direction', (t) => {
  const half = policy('cart', { policyTypes: ['Ingress'] });
  t.deepEqual(openPods('shop', [web, half], world), ['pods of shop/Deployment/cart are not isolated for egress']);
});

test('an allowance for learning is no policy of its own', (t) => {
  const made = learningAllowance(keyOf('shop/cart'), clusterNaming(cluster), '2026-11-20T10:00:00.000Z');
  if ('problem' in made) throw new Error(made.problem.message);
  t.is(openPods('shop', [web, made.policy], world).length, 2);
});

test('a namespace without workloads is not closed', (t) => {
  t.false(proveDefaultDeny({ namespace: 'empty', policies: [], connections: [] }, world).valid);
});

test('the text of both reads back as what it is', (t) => {
  t.deepEqual(readPolicyText(defaultDenyYaml('shop')).policies, [defaultDeny('shop')]);
  const made = learningAllowance(keyOf('shop/cart'), clusterNaming(cluster), '2026-11-20T10:00:00.000Z');
  if ('problem' in made) throw new Error(made.problem.message);
  t.deepEqual(readPolicyText(made.yaml).policies, [made.policy]);
  t.regex(
    made.yaml,
    /^# nanoseg: ALLOWS EVERYTHING from and to shop\/Deployment\/cart until 2026-11-20T10:00:00\.000Z/,
  );
  t.is(made.policy.metadata.name, 'nanoseg-learning-cart');
  t.deepEqual(made.policy.spec, {
    podSelector: { matchLabels: { app: 'cart' } },
    policyTypes: ['Ingress', 'Egress'],
    ingress: [{}],
    egress: [{}],
  });
});

test('what no selector means exactly is never opened for learning', (t) => {
  const twins = buildCluster([
    { name: 'a', labels: { app: 'twin' } },
    { name: 'b', labels: { app: 'twin' } },
    { name: 'agent', kind: 'DaemonSet', labels: { app: 'agent' }, hostNetwork: true },
    { name: 'bare', labels: {}, selector: undefined },
  ]);
  for (const name of ['shop/a', 'shop/DaemonSet/agent', 'shop/bare', 'shop/gone']) {
    const made = learningAllowance(keyOf(name), clusterNaming(twins), '2026-11-20T10:00:00.000Z');
    t.true('problem' in made, name);
  }
});
