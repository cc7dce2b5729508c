import type { NetworkPolicy } from '../controller/model/network-policy.ts';
import type { Decision } from '../controller/model/policy-approval.ts';
import type { PolicyProposal } from '../controller/model/policy-proposal.ts';
import type { CniName } from '../controller/model/profile.ts';
import type { WorkloadKey } from '../controller/model/workload.ts';
import { changeOf } from '../controller/policy/change.ts';
import type { PairDifference } from '../controller/policy/evaluate/difference.ts';
import { podsToCome } from '../controller/policy/pods-to-come.ts';
import type { ProofWorld } from '../controller/policy/proof-world.ts';
import type { Connection } from './connection.ts';
import { inForce } from '../controller/view/decided.ts';
import { type EffectiveProfile } from '../controller/view/effective-profile.ts';
import { effectiveProfile } from './effective-profile.ts';
import { pairChanges } from '../controller/view/pair-changes.ts';
import { proposedPolicies } from './proposed-policies.ts';
import { pairLines } from '../controller/view/pair-words.ts';
import { type ReadableCluster, rulesInWords, worldOf } from './rules-in-words.ts';
import { storedCluster } from './stored-cluster.ts';

/** What a person must know to decide about a proposal. */
export interface Review {
  readonly proposal: PolicyProposal;
  readonly decision: Decision;
  readonly effective: EffectiveProfile;
  /** The proposed rules in words. */
  readonly rules: readonly string[];
  readonly changes: DecisionChanges;
}

/** How who may talk changes once the decision is carried out, in lines. */
export interface DecisionChanges {
  readonly opens: readonly string[];
  readonly denies: readonly string[];
  readonly uncertain: readonly string[];
  /** Why this is not all that there may be; undefined: it is. */
  readonly incomplete: string | undefined;
}

const noChanges: DecisionChanges = { opens: [], denies: [], uncertain: [], incomplete: undefined };

/** The cluster is read once for all of the proposals. */
export async function reviews(
  { store, systemNamespace }: Connection,
  proposals: readonly PolicyProposal[],
  decision: Decision,
): Promise<Review[]> {
  const cluster = await storedCluster(store);
  const found: Review[] = [];
  for (const proposal of proposals) {
    const { namespace } = proposal.metadata;
    const effective = await effectiveProfile(store, namespace, systemNamespace);
    const world = worldOf(cluster, effective.profile);
    const rules = rulesInWords(proposal.spec.policies, namespace, cluster, world);
    const changes = decisionChanges(proposal, decision, cluster, world);
    found.push({ proposal, decision, effective, rules, changes });
  }
  return found;
}

function decisionChanges(
  proposal: PolicyProposal,
  decision: Decision,
  cluster: ReadableCluster,
  world: ProofWorld,
): DecisionChanges {
  const { spec, status } = proposal;
  switch (decision) {
    case 'Reject':
      return noChanges;
    case 'Approve':
      return status && inForce(status)
        ? amendment(proposal, cluster, world)
        : pairLists(pairsOf(cluster, proposal, spec.policies, world.cni.name));
    case 'Rollback':
      return pairLists(pairsOf(cluster, proposal, status?.revisions[0]?.policies ?? '', world.cni.name));
    case 'Retire':
      return pairLists(pairsOf(cluster, proposal, '', world.cni.name));
  }
}

/** Against the policies of nanoseg that it replaces, and with the pods that may come, which no pair can show. */
function amendment({ metadata, spec, status }: PolicyProposal, cluster: ReadableCluster, world: ProofWorld) {
  const { namespace } = metadata;
  const proposed = proposedPolicies(spec.policies, 'the proposal', namespace);
  const enforced = proposedPolicies((status && inForce(status)?.policies) ?? '', 'what is in force', namespace);
  const fault = proposed.problems[0] ?? enforced.problems[0];
  if (fault !== undefined) return { ...noChanges, incomplete: fault.message };
  const [before, after] = [enforced.policies, proposed.policies];
  if ('unreadable' in cluster) {
    const opens = newcomers(after, before);
    return { ...noChanges, opens, denies: newcomers(before, after), incomplete: cluster.unreadable };
  }
  const workloads = spec.workloads
    .map((workload) => `${namespace}/${workload}` as WorkloadKey)
    .filter((key) => cluster.workloads.has(key));
  const { gained, lost } = changeOf({ workloads, before, after }, world);
  return { ...noChanges, opens: gained.lines, denies: lost.lines };
}

function newcomers(wide: readonly NetworkPolicy[], narrow: readonly NetworkPolicy[]): string[] {
  return [
    ...podsToCome(wide, narrow, 'ingress').map((pods) => `from ${pods}`),
    ...podsToCome(wide, narrow, 'egress').map((pods) => `to ${pods}`),
  ];
}

function pairLists(pairs: readonly PairDifference[] | { readonly unreadable: string }): DecisionChanges {
  if ('unreadable' in pairs) return { ...noChanges, incomplete: pairs.unreadable };
  return {
    opens: pairLines(pairs, 'gained'),
    denies: pairLines(pairs, 'lost'),
    uncertain: pairLines(pairs, 'uncertain'),
    incomplete: undefined,
  };
}

/** How who may talk changes, pair by pair, once `text` takes the place of what is in force for the proposal. */
export function pairsOf(
  cluster: ReadableCluster,
  { metadata, status }: PolicyProposal,
  text: string,
  cni: CniName,
): readonly PairDifference[] | { readonly unreadable: string } {
  if ('unreadable' in cluster) return cluster;
  const proposed = proposedPolicies(text, 'the proposal', metadata.namespace);
  const [fault] = proposed.problems;
  if (fault !== undefined) return { unreadable: fault.message };
  const enforced = proposedPolicies(
    (status && inForce(status)?.policies) ?? '',
    'what is in force',
    metadata.namespace,
  );
  const replaced = enforced.policies.map((policy) => policy.metadata.name);
  return pairChanges(cluster, metadata.namespace, replaced, proposed.policies, cni);
}
