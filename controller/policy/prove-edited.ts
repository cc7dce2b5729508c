import { type Connection, isEvidence } from '../model/connection.ts';
import { counted } from '../model/counted.ts';
import type { NetworkPolicy } from '../model/network-policy.ts';
import type { PolicyDraft } from '../model/policy-draft.ts';
import type { OverGrant, Proof, ProofCheck } from '../model/proposal.ts';
import type { WorkloadKey } from '../model/workload.ts';
import { type CitedEvidence, citedIds, deniedConnections, judgeCitations } from './cited-evidence.ts';
import { identityFaults, openEndedFaults } from './edited-policy-faults.ts';
import { compilePolicies, type Direction } from './evaluate/compile-policies.ts';
import { evaluation } from './evaluate/evaluation.ts';
import { overGrants } from './over-grants.ts';
import { ownEvidence } from './own-evidence.ts';
import { isolationFaults, subjectFaults } from './policy-faults.ts';
import { firstOf, proofCheck, unproved } from './proof-checks.ts';
import { type ProofWorld, stayingInForce, withoutExemptions } from './proof-world.ts';
import { type Admitted, admissionsOf, reachableOf } from './reachable-pairs.ts';

const directions = ['ingress', 'egress'] as const;

/** Policies as a person wants them, as they were read from their text. */
export interface EditedPolicies {
  readonly namespace: string;
  /** The workloads that they are for. */
  readonly workloads: readonly WorkloadKey[];
  readonly policies: readonly NetworkPolicy[];
  /** What nanoseg itself would propose; undefined where it would propose nothing. */
  readonly machineDraft: PolicyDraft | undefined;
  /** All connections from and to the workloads, each once. */
  readonly connections: readonly Connection[];
}

/**
 * Checks policies that a person edited. They must be what a policy of nanoseg is: its own, for exactly its workloads,
 * isolating both directions, and open to nobody in general. What they deny of the evidence, and allow beyond it, is that
 * person's decision: it is listed, with the word `edit`, and approved or not like the rest.
 */
export function proveEdited(edited: EditedPolicies, world: ProofWorld): Proof {
  const { namespace, workloads, policies, machineDraft, connections } = edited;
  const { index, cni } = world;
  const missing = workloads.filter((workload) => !index.position.has(workload));
  const failed = [
    ...identityFaults(policies, namespace, workloads, world),
    ...missing.map((workload) => `${workload} is not in the inventory`),
  ];
  const readBack = proofCheck(
    'read-back',
    failed,
    "they are policies of this namespace, with nanoseg's names and label",
  );
  if (!readBack.passed) return unproved([readBack]);

  // without a draft of nanoseg's, no rule vouches for anything, and all that passed is the evidence
  const draft = machineDraft ?? undrafted(edited);
  const own = [evaluation(index, compilePolicies(index, policies), cni)];
  const names = policies.map(({ metadata }) => metadata.name);
  const existing = stayingInForce(world, namespace, names);
  const admitted = admissionsOf(draft, own.map(withoutExemptions));
  const judged = judgeCitations(draft, connections, own, world);
  const granted = grantsOf(edited, draft, admitted, world);
  const openToWorld = new Set(
    directions.filter((direction) => draft[direction].some(({ because }) => because === 'open-to-world')),
  );
  const checks = [
    evidenceCheck(judged, machineDraft !== undefined),
    overGrantCheck(granted),
    proofCheck(
      'no-allow-all',
      openEndedFaults(policies, openToWorld, world),
      'every rule names its peers and its ports',
    ),
    proofCheck('isolated', isolationFaults([], own, draft), 'both directions are isolated'),
    proofCheck('subject-exact', subjectFaults(policies, own, draft, world), 'they select their workloads and no other'),
    readBack,
  ];
  return {
    valid: checks.every(({ passed }) => passed),
    checks,
    overGrants: granted,
    wouldDeny: deniedConnections(connections, judged, own, existing, draft, world),
    reachableBefore: reachableOf(workloads, existing, undefined),
    reachableAfter: reachableOf(workloads, existing, admitted),
  };
}

function undrafted({ namespace, workloads }: EditedPolicies): PolicyDraft {
  return { namespace, name: '', workloads, subject: {}, ingress: [], egress: [] };
}

function grantsOf(
  { workloads, machineDraft, connections }: EditedPolicies,
  draft: PolicyDraft,
  admitted: Admitted,
  { index, profile }: ProofWorld,
): OverGrant[] {
  const isOwn = ({ source, destination }: Connection, direction: Direction) => {
    const side = direction === 'ingress' ? destination : source;
    return side.kind === 'workload' && workloads.includes(side.workload);
  };
  return directions.flatMap((direction) => {
    const ids = citedIds(draft, direction);
    const cited = connections.filter(
      (each) => isEvidence(each) && (machineDraft ? ids.has(each.id) : isOwn(each, direction)),
    );
    const evidence = ownEvidence(draft, direction, cited, index.cluster.apiServer.ips);
    const admissions = admitted[direction].values().toArray().flat();
    return overGrants(draft, direction, admissions, evidence, index, profile).map((grant) =>
      grant.allowance === undefined && grant.widenedBy === undefined ? { ...grant, widenedBy: 'edit' as const } : grant,
    );
  });
}

/** Never fails: what an edit takes away, its author and its approvers decide. */
function evidenceCheck({ faults, cited }: CitedEvidence, drafted: boolean): ProofCheck {
  const message = !drafted
    ? 'nanoseg has no proposal of its own to compare with'
    : faults.length === 0
      ? `the edit takes nothing away of the ${counted(cited, 'connection')} that nanoseg would allow`
      : `the edit takes away ${faults.length} of the ${counted(cited, 'connection')} that nanoseg would allow: ${firstOf(faults)}`;
  return { name: 'evidence-allowed', passed: true, message };
}

/** Never fails: what an edit adds, its author and its approvers decide. */
function overGrantCheck(granted: readonly OverGrant[]): ProofCheck {
  const added = granted.filter(({ widenedBy }) => widenedBy === 'edit');
  const words = added.map(({ direction, peer, protocol, ports }) => `${direction} ${peer} ${protocol} ${ports}`);
  const message =
    added.length === 0
      ? 'the edit adds nothing beyond the evidence'
      : `the edit adds ${counted(added.length, 'grant')} that no evidence asked for: ${firstOf(words)}`;
  return { name: 'no-over-grant', passed: true, message };
}
