import test from 'ava';
import fc from 'fast-check';
import type { NetworkPolicy, NetworkPolicySpec } from '../../controller/model/network-policy.ts';
import { canonicalPolicies, samePolicySpec } from '../../controller/policy/canonical-policy.ts';
import { policyWorld } from '../support/random-policy-world.ts';

const web = { podSelector: { matchLabels: { app: 'web', tier: 'front' } } };
const spec: NetworkPolicySpec = {
  podSelector: { matchLabels: { app: 'cart' } },
  policyTypes: ['Ingress', 'Egress'],
  ingress: [{ from: [web], ports: [{ protocol: 'TCP', port: 80 }] }],
  egress: [],
};
const policy = (of: NetworkPolicySpec): NetworkPolicy => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'nanoseg-cart', namespace: 'shop' },
  spec: of,
});

test('what the API server fills in makes no difference', (t) => {
  const { egress: _none, ...withoutEgress } = spec;
  for (const other of [
    withoutEgress,
    { ...spec, policyTypes: ['Egress', 'Ingress'] as const },
    { ...spec, ingress: [{ from: [web], ports: [{ port: 80 }] }] },
    { ...spec, podSelector: { matchLabels: { app: 'cart' }, matchExpressions: [] } },
    {
      ...spec,
      ingress: [{ ports: [{ port: 80 }], from: [{ podSelector: { matchLabels: { tier: 'front', app: 'web' } } }] }],
    },
  ]) {
    t.true(samePolicySpec(spec, other), JSON.stringify(other));
  }
  const isolating: NetworkPolicySpec = { podSelector: {}, policyTypes: ['Ingress'] };
  t.true(samePolicySpec(isolating, { podSelector: {} }));
  t.true(samePolicySpec({ podSelector: {}, ingress: [{ from: [] }] }, { podSelector: {}, ingress: [{}] }));
});

test('what means something else is a difference, however small', (t) => {
  const [rule] = spec.ingress ?? [];
  for (const other of [
    { ...spec, policyTypes: ['Ingress'] as const },
    { ...spec, podSelector: {} },
    { ...spec, ingress: [] },
    { ...spec, ingress: [{}] },
    { ...spec, egress: [{}] },
    { ...spec, ingress: [{ ports: rule?.ports ?? [] }] },
    { ...spec, ingress: [{ from: [web] }] },
    { ...spec, ingress: [{ from: [web], ports: [{ protocol: 'UDP' as const, port: 80 }] }] },
    { ...spec, ingress: [{ from: [web], ports: [{ port: '80' }] }] },
    { ...spec, ingress: [{ from: [web], ports: [{ port: 80, endPort: 81 }] }] },
    { ...spec, ingress: [{ from: [{ ...web, namespaceSelector: {} }], ports: [{ port: 80 }] }] },
    { ...spec, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8' } }], ports: [{ port: 80 }] }] },
  ]) {
    t.false(samePolicySpec(spec, other), JSON.stringify(other));
  }
});

test('every spec is the same as itself stored, and policies have one text whatever the order of their keys', (t) => {
  const property = fc.property(policyWorld, ({ policies }) => {
    for (const { spec: one } of policies) {
      t.true(samePolicySpec(one, JSON.parse(JSON.stringify(one)) as NetworkPolicySpec));
      const reversed = Object.fromEntries(Object.entries(one).reverse()) as unknown as NetworkPolicySpec;
      t.is(canonicalPolicies([policy(reversed)]), canonicalPolicies([policy(one)]));
    }
  });
  fc.assert(property, { numRuns: 100 });
});

test('rules keep their order in the canonical text', (t) => {
  const ports = [[{ port: 80 }], [{ port: 443 }]];
  const of = (order: readonly (typeof ports)[number][]) =>
    canonicalPolicies([policy({ ...spec, ingress: order.map((each) => ({ from: [web], ports: each })) })]);
  t.not(of(ports), of(ports.toReversed()));
});
