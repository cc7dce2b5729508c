import test from 'ava';
import fc from 'fast-check';
import type { Cluster } from '../../controller/model/cluster.ts';
import { matchesSelector } from '../../controller/model/label-selector.ts';
import { isolatedDirections, type NetworkPolicy } from '../../controller/model/network-policy.ts';
import type { PolicyProposal, ProposalState, ProposalStatus } from '../../controller/model/policy-proposal.ts';
import { defaultProfile, type Profile } from '../../controller/model/profile.ts';
import { problem } from '../../controller/model/problem.ts';
import { indexCluster, isLive } from '../../controller/policy/evaluate/cluster-index.ts';
import { type CoverageQuestion, podCoverage, totalCoverage } from '../../controller/reconcile/pod-coverage.ts';
import { buildCluster, keyOf, type WorkloadSpec } from '../support/build-cluster.ts';
import { policyWorld } from '../support/random-policy-world.ts';

const two = [{ ips: ['10.244.0.1'] }, { ips: ['10.244.0.2'] }];
const specs: readonly WorkloadSpec[] = [
  { name: 'web', labels: { app: 'web' }, pods: two },
  { name: 'cart', labels: { app: 'cart' }, pods: two },
  { name: 'redis', labels: { app: 'redis' }, pods: [{ ips: ['10.244.0.7'] }] },
];

function policy(app: string, policyTypes: readonly ('Ingress' | 'Egress')[], managed = true): NetworkPolicy {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: {
      name: `${managed ? 'nanoseg' : 'by-hand'}-${app}`,
      namespace: 'shop',
      ...(managed && { labels: { 'app.kubernetes.io/managed-by': 'nanoseg' } }),
    },
    spec: { podSelector: { matchLabels: { app } }, policyTypes },
  };
}

function proposal(
  name: string,
  state: ProposalState | undefined,
  status: Partial<ProposalStatus> = {},
): PolicyProposal {
  const readiness = { state: 'ready', coverage: '100%', missing: [] } as const;
  return {
    apiVersion: 'nanoseg.io/v1alpha1',
    kind: 'PolicyProposal',
    metadata: { name: `deployment-${name}`, namespace: 'shop' },
    spec: { scope: 'Workload', workloads: [`Deployment/${name}`], policies: '', evidence: [] },
    ...(state && { status: { state, readiness, ...status } as ProposalStatus }),
  };
}

interface Parts extends Partial<Omit<CoverageQuestion, 'profileOf' | 'index'>> {
  readonly cluster?: Cluster;
  readonly policies?: readonly NetworkPolicy[];
  readonly profile?: Partial<Profile>;
  readonly broken?: boolean;
}

function ask({ cluster = buildCluster(specs), policies = [], profile, broken = false, ...parts }: Parts = {}) {
  return podCoverage({
    index: indexCluster({ ...cluster, policies }),
    proposals: [],
    whyNone: () => undefined,
    profileOf: () => ({
      profile: { ...defaultProfile, ...profile },
      origin: 'shop/default',
      problem: broken ? problem('ProfileInvalid', 'mode: no such mode') : undefined,
    }),
    ...parts,
  });
}

test('pods are counted, not workloads, by direction and by whose policies isolate them', (t) => {
  const policies = [policy('web', ['Ingress', 'Egress']), policy('cart', ['Ingress'], false)];
  const [shop] = ask({ policies });
  t.like(shop, {
    namespace: 'shop',
    pods: 5,
    hostNetwork: 0,
    isolatedIngress: 4,
    isolatedEgress: 2,
    byNanoseg: { ingress: 2, egress: 2 },
  });
  t.deepEqual(shop?.open, [
    { because: 'no proposal was made yet (open for egress only)', pods: 2, workloads: [keyOf('shop/cart')] },
    { because: 'no proposal was made yet', pods: 1, workloads: [keyOf('shop/redis')] },
  ]);
});

test('finished, ended and pending pods are not counted, and a template only where there is no pod at all', (t) => {
  const idle = buildCluster([
    { name: 'web', labels: { app: 'web' }, pods: [{}, { phase: 'Succeeded' }, { phase: 'Pending' }, { endMs: 1 }] },
    { name: 'report', labels: { app: 'report' } },
  ]);
  t.deepEqual(
    ask({ cluster: idle }).map(({ pods }) => pods),
    [1],
  );
  const manifests = buildCluster([
    { name: 'web', labels: { app: 'web' } },
    { name: 'report', labels: { app: 'report' } },
  ]);
  t.deepEqual(
    ask({ cluster: manifests }).map(({ pods }) => pods),
    [2],
  );
});

test('pods on the network of their node are counted apart, whatever selects them', (t) => {
  const cluster = buildCluster([{ name: 'agent', labels: { app: 'agent' }, hostNetwork: true, pods: two }]);
  const [shop] = ask({ cluster, policies: [policy('agent', ['Ingress', 'Egress'])] });
  t.like(shop, { pods: 2, hostNetwork: 2, isolatedIngress: 0 });
  t.deepEqual(shop?.open, [
    { because: 'host network: policies do not select it', pods: 2, workloads: [keyOf('shop/agent')] },
  ]);
});

test('a pod without the labels of its template is not counted as isolated', (t) => {
  const cluster = buildCluster([
    { name: 'web', labels: { app: 'web' }, pods: [{ labels: { app: 'web' } }, { labels: { app: 'old-web' } }] },
  ]);
  t.like(ask({ cluster, policies: [policy('web', ['Ingress', 'Egress'])] })[0], { pods: 2, isolatedIngress: 1 });
});

const reasons: readonly (readonly [because: string, parts: Parts])[] = [
  ['the namespace is exempt', { profile: { exemptNamespaces: ['shop'] } }],
  ['mode observe: there are no proposals', { profile: { mode: 'observe' } }],
  ['the profile shop/default cannot be used, so that the namespace is only observed', { broken: true }],
  ['no proposal: no evidence', { whyNone: () => 'no evidence' }],
  ['its proposal was not looked at yet', { proposals: [proposal('web', undefined)] }],
  [
    'Learning: not enough was seen (coverage, window)',
    {
      proposals: [
        proposal('web', 'Learning', {
          readiness: {
            state: 'learning',
            coverage: '90%',
            missing: ['window', 'coverage', 'window'].map((code) => ({ code, message: '' })),
          },
        }),
      ],
    },
  ],
  ['Ready: waits for approval', { proposals: [proposal('web', 'Ready')] }],
  ['Approved: not applied in mode propose', { proposals: [proposal('web', 'Approved')] }],
  ['Approved: about to be applied', { proposals: [proposal('web', 'Approved')], profile: { mode: 'enforce' } }],
  ['Enforced: its policies are not stored, or do not select these pods', { proposals: [proposal('web', 'Enforced')] }],
  ['Rejected: waits for another version', { proposals: [proposal('web', 'Rejected')] }],
  ['RolledBack: its policies were taken back', { proposals: [proposal('web', 'RolledBack')] }],
  ['Invalid: its proof failed', { proposals: [proposal('web', 'Invalid')] }],
  [
    'Ready: waits for approval',
    {
      proposals: [
        proposal('web', 'Superseded'),
        { ...proposal('web', 'Ready'), spec: { ...proposal('web', 'Ready').spec, scope: 'Joint' } },
      ],
    },
  ],
];

for (const [i, [because, parts]] of reasons.entries()) {
  test(`why a pod is open is said in words (${i + 1}): ${because}`, (t) => {
    const cluster = buildCluster(specs.slice(0, 1));
    t.deepEqual(ask({ cluster, ...parts })[0]?.open, [{ because, pods: 2, workloads: [keyOf('shop/web')] }]);
  });
}

test('all namespaces together have the same reasons, added up', (t) => {
  const cluster = buildCluster([...specs, { name: 'ledger', namespace: 'bank', labels: { app: 'web' }, pods: two }]);
  const all = ask({ cluster, policies: [policy('cart', ['Ingress', 'Egress'])] });
  t.deepEqual(
    all.map(({ namespace }) => namespace),
    ['bank', 'shop'],
  );
  const total = totalCoverage(all);
  t.like(total, { pods: 7, isolatedIngress: 2, byNanoseg: { ingress: 2, egress: 2 } });
  t.deepEqual(total.open, [
    {
      because: 'no proposal was made yet',
      pods: 5,
      workloads: [keyOf('bank/ledger'), keyOf('shop/redis'), keyOf('shop/web')],
    },
  ]);
});

test('in any cluster the counts are those of asking every pod and every policy', (t) => {
  fc.assert(
    fc.property(policyWorld, ({ cluster, policies }) => {
      const real = cluster.pods.some(({ virtual }) => !virtual);
      for (const found of ask({ cluster, policies })) {
        const pods = cluster.pods.filter(
          (pod) => pod.namespace === found.namespace && isLive(pod) && pod.phase === 'Running' && pod.virtual !== real,
        );
        const isolated = (direction: 'Ingress' | 'Egress') =>
          pods.filter(
            (pod) =>
              !pod.hostNetwork &&
              policies.some(
                ({ metadata, spec }) =>
                  metadata.namespace === pod.namespace &&
                  matchesSelector(spec.podSelector, pod.labels) &&
                  isolatedDirections(spec).includes(direction),
              ),
          );
        const [ingress, egress] = [isolated('Ingress'), isolated('Egress')];
        t.is(found.pods, pods.length);
        t.is(found.isolatedIngress, ingress.length);
        t.is(found.isolatedEgress, egress.length);
        const open = found.open.reduce((sum, one) => sum + one.pods, 0);
        t.is(open, pods.length - ingress.filter((pod) => egress.includes(pod)).length);
      }
    }),
  );
});
