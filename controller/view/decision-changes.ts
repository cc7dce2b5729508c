import type { Cluster } from '../model/cluster.ts';
import type { NetworkPolicy } from '../model/network-policy.ts';
import type { Decision } from '../model/policy-approval.ts';
import type { PolicyProposal } from '../model/policy-proposal.ts';
import type { Problem } from '../model/problem.ts';
import type { CniName } from '../model/profile.ts';
import type { WorkloadKey } from '../model/workload.ts';
import { changeOf } from '../policy/change.ts';
import type { PairDifference } from '../policy/evaluate/difference.ts';
import { podsToCome } from '../policy/pods-to-come.ts';
import type { ProofWorld } from '../policy/proof-world.ts';
import { inForce } from './decided.ts';
import { pairChanges } from './pair-changes.ts';
import { pairLines } from './pair-words.ts';

/** A cluster, or what of it the user may not read. */
export type ReadableCluster = Cluster | { readonly unreadable: string };

/** Reads a text of policies for a namespace; `origin` is what it is, for the problems. */
export type ReadPolicies = (
  text: string,
  origin: string,
  namespace: string,
) => { readonly policies: readonly NetworkPolicy[]; readonly problems: readonly Problem[] };

/** How who may talk changes once the decision is carried out, in lines. */
export interface DecisionChanges {
  readonly opens: readonly string[];
  readonly denies: readonly string[];
  readonly uncertain: readonly string[];
  /** Why this is not all that there may be; undefined: it is. */
  readonly incomplete: string | undefined;
}

const noChanges: DecisionChanges = { opens: [], denies: [], uncertain: [], incomplete: undefined };

/** How who may talk changes once the decision is carried out. */
export function decisionChanges(
  proposal: PolicyProposal,
  decision: Decision,
  cluster: ReadableCluster,
  world: ProofWorld,
  read: ReadPolicies,
): DecisionChanges {
  const { spec, status } = proposal;
  switch (decision) {
    case 'Reject':
      return noChanges;
    case 'Approve':
      return status && inForce(status)
        ? amendment(proposal, cluster, world, read)
        : pairLists(pairsOf(cluster, proposal, spec.policies, world.cni.name, read));
    case 'Rollback':
      return pairLists(pairsOf(cluster, proposal, status?.revisions[0]?.policies ?? '', world.cni.name, read));
    case 'Retire':
      return pairLists(pairsOf(cluster, proposal, '', world.cni.name, read));
  }
}

/** Against the policies of nanoseg that it replaces, and with the pods that may come, which no pair can show. */
function amendment(
  { metadata, spec, status }: PolicyProposal,
  cluster: ReadableCluster,
  world: ProofWorld,
  read: ReadPolicies,
) {
  const { namespace } = metadata;
  const proposed = read(spec.policies, 'the proposal', namespace);
  const enforced = read((status && inForce(status)?.policies) ?? '', 'what is in force', namespace);
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
  read: ReadPolicies,
): readonly PairDifference[] | { readonly unreadable: string } {
  if ('unreadable' in cluster) return cluster;
  const proposed = read(text, 'the proposal', metadata.namespace);
  const [fault] = proposed.problems;
  if (fault !== undefined) return { unreadable: fault.message };
  const enforced = read((status && inForce(status)?.policies) ?? '', 'what is in force', metadata.namespace);
  const replaced = enforced.policies.map((policy) => policy.metadata.name);
  return pairChanges(cluster, metadata.namespace, replaced, proposed.policies, cni);
}
