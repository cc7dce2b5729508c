import test from 'ava';
import fc from 'fast-check';
import { parseIp } from '../../controller/model/cidr.ts';
import { containsConnections, unionConnections } from '../../controller/model/connection-set.ts';
import type { EgressRule, IngressRule, NetworkPolicy, PolicyPeer } from '../../controller/model/network-policy.ts';
import { defaultProfile } from '../../controller/model/profile.ts';
import type { WorkloadKey } from '../../controller/model/workload.ts';
import { changeOf } from '../../controller/policy/change.ts';
import { indexCluster } from '../../controller/policy/evaluate/cluster-index.ts';
import { compilePolicies } from '../../controller/policy/evaluate/compile-policies.ts';
import { answerOf, evaluation, sidePermit } from '../../controller/policy/evaluate/evaluation.ts';
import type { Party } from '../../controller/policy/evaluate/views.ts';
import { type ProofWorld, proofWorld, withoutExemptions } from '../../controller/policy/proof-world.ts';
import { buildCluster, keyOf } from '../support/build-cluster.ts';
import { policyWorld, probeAddresses } from '../support/random-policy-world.ts';

const cart = keyOf('shop/cart');
const world = proofWorld(
  indexCluster(
    buildCluster([
      { name: 'cart', labels: { app: 'cart' } },
      { name: 'web', labels: { app: 'web', tier: 'front' } },
      { name: 'mail', labels: { app: 'mail', tier: 'front' } },
      { name: 'redis', labels: { app: 'redis' } },
      { name: 'report', namespace: 'audit', labels: { app: 'report' } },
    ]),
  ),
  [],
  { ...defaultProfile, cni: 'calico' },
);

const pods = (...apps: string[]): PolicyPeer => ({
  podSelector:
    apps.length === 1
      ? { matchLabels: { app: apps[0] as string } }
      : { matchExpressions: [{ key: 'app', operator: 'In', values: apps }] },
});
const ingress = (from: readonly PolicyPeer[], ...ports: number[]): IngressRule => ({
  from,
  ports: ports.map((port) => ({ protocol: 'TCP', port })),
});
const egress = (to: readonly PolicyPeer[], ...ports: number[]): EgressRule => ({
  to,
  ports: ports.map((port) => ({ protocol: 'TCP', port })),
});
const policy = (incoming: readonly IngressRule[], outgoing: readonly EgressRule[] = []): NetworkPolicy => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'nanoseg-cart', namespace: 'shop' },
  spec: {
    podSelector: { matchLabels: { app: 'cart' } },
    policyTypes: ['Ingress', 'Egress'],
    ingress: incoming,
    egress: outgoing,
  },
});
const change = (before: readonly NetworkPolicy[], after: readonly NetworkPolicy[]) =>
  changeOf({ workloads: [cart], before, after }, world);

const base = policy([ingress([pods('web')], 8080)], [egress([pods('redis')], 6379)]);

test('where nothing was in force, a policy is new, and all that it lets through is told', (t) => {
  const { change: name, gained, lost } = change([], [base]);
  t.is(name, 'New');
  t.deepEqual(gained.lines, ['from shop/Deployment/web to TCP 8080', 'to shop/Deployment/redis on TCP 6379']);
  t.is(lost.count, 0);
});

test('the same policy in other words is no change', (t) => {
  const other = policy([ingress([pods('web')], 8080), ingress([pods('web')], 8080)], [egress([pods('redis')], 6379)]);
  for (const [before, after] of [
    [base, other],
    [other, base],
    [base, base],
  ] as const) {
    t.deepEqual(change([before], [after]), {
      change: 'None',
      gained: { count: 0, lines: [] },
      lost: { count: 0, lines: [] },
    });
  }
});

test('one more peer grows, one fewer shrinks, one for another amends', (t) => {
  const more = policy([ingress([pods('web', 'mail')], 8080)], base.spec.egress);
  const other = policy([ingress([pods('mail')], 8080)], base.spec.egress);
  t.is(change([base], [more]).change, 'Grow');
  t.true(change([base], [more]).gained.lines.includes('from shop/Deployment/mail to TCP 8080'));
  t.is(change([more], [base]).change, 'Shrink');
  t.true(change([more], [base]).lost.lines.includes('from shop/Deployment/mail to TCP 8080'));
  t.is(change([base], [other]).change, 'Amend');
});

test('rules that merge and split peers shrink all the same', (t) => {
  const before = policy([ingress([pods('web')], 80), ingress([pods('mail')], 80, 443)]);
  t.is(change([before], [policy([ingress([pods('web', 'mail')], 80)])]).change, 'Shrink');
});

test('the same pods today by a wider label may be others tomorrow, and that is no shrinking', (t) => {
  const before = policy([ingress([pods('web', 'mail')], 80, 443)]);
  const tier: PolicyPeer = { podSelector: { matchLabels: { tier: 'front' } } };
  const { change: name, gained } = change([before], [policy([ingress([tier], 80)])]);
  t.is(name, 'Amend');
  t.deepEqual(gained.lines, ['from pods with tier=front that may come']);
});

test('addresses are compared as sets, however they are cut into blocks', (t) => {
  const block = (...cidrs: string[]) => cidrs.map((cidr): PolicyPeer => ({ ipBlock: { cidr } }));
  const whole = policy([], [egress(block('203.0.113.0/24'), 443)]);
  const halves = policy([], [egress(block('203.0.113.0/25'), 443), egress(block('203.0.113.128/25'), 443)]);
  t.is(change([whole], [halves]).change, 'None');
  const { change: name, lost } = change([whole], [policy([], [egress(block('203.0.113.0/25'), 443)])]);
  t.is(name, 'Shrink');
  t.deepEqual(lost.lines, ['to 203.0.113.128/25 on TCP 443']);
});

test('a direction that is no longer isolated lets everybody through', (t) => {
  const open = { ...base, spec: { ...base.spec, policyTypes: ['Ingress'] as const } };
  const { change: name, gained } = change([base], [open]);
  t.is(name, 'Grow');
  t.true(gained.lines.includes('to everybody on everything'));
  t.is(change([base], []).change, 'Grow');
});

test('many peers are counted, and the first of them are listed', (t) => {
  const names = Array.from({ length: 80 }, (_, i) => `client-${i}`);
  const crowd = proofWorld(
    indexCluster(buildCluster(['cart', ...names].map((name) => ({ name, labels: { app: name } })))),
    [],
    defaultProfile,
  );
  const after = [policy([ingress([pods(...names)], 80)])];
  const { gained } = changeOf({ workloads: [cart], before: [], after }, crowd);
  t.deepEqual([gained.count, gained.lines.length], [80, 50]);
});

/** Whether everything that one set of policies lets through, or may, the other does too, asked pair by pair. */
function isSubset(
  inner: readonly NetworkPolicy[],
  outer: readonly NetworkPolicy[],
  workloads: readonly WorkloadKey[],
  { index, cni }: ProofWorld,
): boolean {
  const [small, large] = [inner, outer].map((policies) =>
    withoutExemptions(evaluation(index, compilePolicies(index, policies), cni)),
  );
  if (!small || !large) return false;
  const others: Party[] = [
    ...index.keys.map((workload): Party => ({ kind: 'workload', workload })),
    ...probeAddresses.flatMap((text): Party[] => {
      const ip = parseIp(text);
      // an address of the pod network that no pod has is no peer of its own
      return ip && !text.startsWith('10.') ? [{ kind: 'address', ip }] : [];
    }),
  ];
  const judge = (one: typeof small, direction: 'ingress' | 'egress', subject: WorkloadKey, other: Party) => {
    const permits = one.views
      .of({ kind: 'workload', workload: subject })
      .flatMap((view) => one.views.of(other).map((peer) => sidePermit(one, direction, view, peer)));
    return answerOf(
      one,
      permits.reduce((a, b) => one.pool.either(a, b)),
    );
  };
  return workloads.every((workload) =>
    (['ingress', 'egress'] as const).every((direction) =>
      others.every((other) => {
        const [few, many] = [judge(small, direction, workload, other), judge(large, direction, workload, other)];
        return (
          containsConnections(many.allowed, few.allowed) &&
          containsConnections(unionConnections(many.allowed, many.unknown), unionConnections(few.allowed, few.unknown))
        );
      }),
    ),
  );
}

const numRuns = 400;

test('whatever the policies, nothing that shrinks lets anything more through, and nothing that is no change does', (t) => {
  const property = fc.property(policyWorld, ({ cluster, policies, otherPolicies, cni }) => {
    const shared = { ...proofWorld(indexCluster(cluster), [], defaultProfile), cni };
    const workloads = shared.index.keys;
    const { change: name } = changeOf({ workloads, before: policies, after: otherPolicies }, shared);
    t.is(name === 'New', policies.length === 0);
    if (name === 'Shrink' || name === 'None') t.true(isSubset(otherPolicies, policies, workloads, shared));
    if (name === 'Grow' || name === 'None') t.true(isSubset(policies, otherPolicies, workloads, shared));
  });
  fc.assert(property, { numRuns });
});

test('whatever the policies, without one of their rules they shrink or stay, and with it again they grow or stay', (t) => {
  const property = fc.property(policyWorld, fc.nat(), ({ cluster, policies, cni }, which) => {
    const shared = { ...proofWorld(indexCluster(cluster), [], defaultProfile), cni };
    const workloads = shared.index.keys;
    const explicit = policies.map((each) => ({
      ...each,
      spec: { ...each.spec, policyTypes: ['Ingress', 'Egress'] as const },
    }));
    if (explicit.length === 0) return;
    const fewer = explicit.map((each, i) => {
      if (i !== which % explicit.length) return each;
      return {
        ...each,
        spec: { ...each.spec, ingress: (each.spec.ingress ?? []).slice(1), egress: (each.spec.egress ?? []).slice(1) },
      };
    });
    const down = changeOf({ workloads, before: explicit, after: fewer }, shared);
    const up = changeOf({ workloads, before: fewer, after: explicit }, shared);
    t.true(['Shrink', 'None'].includes(down.change), JSON.stringify(down));
    t.true(['Grow', 'None'].includes(up.change), JSON.stringify(up));
    t.deepEqual([up.gained, up.lost], [down.lost, down.gained]);
    if (!isSubset(explicit, fewer, workloads, shared)) t.is(down.change, 'Shrink');
  });
  fc.assert(property, { numRuns });
});
