import test, { type ExecutionContext } from 'ava';
import { clusterStudy } from '../../controller/loop/cluster-study.ts';
import { type AllowanceRound, tendAllowances } from '../../controller/loop/learning-allowances.ts';
import type { KubernetesObject } from '../../controller/model/kubernetes-object.ts';
import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import type { PolicyProposal } from '../../controller/model/policy-proposal.ts';
import { defaultProfile } from '../../controller/model/profile.ts';
import { buildCluster } from '../support/build-cluster.ts';
import { digestOf, proposalOf, revisionOf } from '../support/proposals.ts';
import { workspaceOf } from '../support/workspace.ts';

const closingRef = { kind: 'PolicyProposal', namespace: 'shop', name: 'deployment-closing' };
const allowanceRef = { kind: 'NetworkPolicy', namespace: 'shop', name: 'nanoseg-learning-late' };
const nowMs = Date.UTC(2026, 10, 1, 10);

/** A closed namespace with one newcomer, as the view shows it before any news of what is done here. */
async function closedShop(t: ExecutionContext): Promise<AllowanceRound> {
  const enforced = revisionOf(1, digestOf('a'), 'in force');
  const { store } = await workspaceOf(t, [proposalOf('shop', 'closing', { enforced })]);
  const closing = await store.get<PolicyProposal>(closingRef);
  if (closing === undefined) throw new Error('the proposal is not stored');
  const cluster = buildCluster([{ name: 'late', labels: { app: 'late' } }]);
  return {
    closing,
    profile: {
      ...defaultProfile,
      mode: 'enforce',
      closedNamespace: { propose: true, newWorkloads: 'learn', learnForMs: 60_000 },
    },
    naming: clusterStudy(cluster).naming,
    isProtected: () => false,
    policies: [],
    store,
    assertMayWrite: () => undefined,
    nowMs,
  };
}

test('a newcomer is given its time once, however late the news of it are', async (t) => {
  const round = await closedShop(t);
  t.deepEqual(
    (await tendAllowances(round)).map(({ subject }) => subject.name),
    [allowanceRef.name],
  );
  const written = await round.store.get<KubernetesObject>(allowanceRef);
  t.deepEqual(await tendAllowances({ ...round, nowMs: nowMs + 5_000 }), []);
  t.is(
    (await round.store.get<KubernetesObject>(allowanceRef))?.metadata.resourceVersion,
    written?.metadata.resourceVersion,
  );

  const [removed] = await tendAllowances({ ...round, nowMs: nowMs + 60_001 });
  t.regex(removed?.message ?? '', /its time to learn is over$/);
  t.is(await round.store.get(allowanceRef), undefined);
  t.deepEqual(await tendAllowances({ ...round, nowMs: nowMs + 60_002 }), []);
});

test('a policy that somebody else wrote under the name of an allowance stays as it is', async (t) => {
  const round = await closedShop(t);
  const foreign: NetworkPolicy = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace: 'shop', name: allowanceRef.name },
    spec: { podSelector: {}, policyTypes: ['Ingress'] },
  };
  const stored = await round.store.applyPolicy(foreign, { dryRun: false });
  t.deepEqual(await tendAllowances(round), []);
  t.deepEqual(await round.store.get<NetworkPolicy>(allowanceRef), stored);
});
