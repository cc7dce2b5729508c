import type { NetworkPolicy } from '../model/network-policy.ts';
import type { ListedItem, PolicyProposal } from '../model/policy-proposal.ts';
import type { WorkloadKey } from '../model/workload.ts';
import { learningNamePrefix } from '../policy/policy-names.ts';
import type { ProofWorld } from '../policy/proof-world.ts';
import { annotations } from '../reconcile/apply-policies.ts';
import type { JudgeTerms } from './connection-judge.ts';

export interface JudgeInput {
  readonly world: ProofWorld;
  readonly proposals: readonly PolicyProposal[];
  /** Every NetworkPolicy as it is stored, with its annotations. */
  readonly stored: readonly NetworkPolicy[];
  /** The policies of a proposal; none where its text cannot be read. */
  readonly policiesOf: (proposal: PolicyProposal) => readonly NetworkPolicy[];
  /** All that a proposal holds back, of which its status may have only the beginning. */
  readonly heldBackOf: (proposal: PolicyProposal) => readonly ListedItem[];
}

/** What connections are judged by: what is in force, and what would be if every proposal that waits were approved. */
export function judgeTerms({ world, proposals, stored, policiesOf, heldBackOf }: JudgeInput): JudgeTerms {
  const inForce = world.index.cluster.policies;
  const waiting = proposals.filter(isWaiting);
  const heldBack = heldBackBy(proposals, heldBackOf);
  const workloads = new Set(waiting.flatMap(workloadsOf));
  if (waiting.length === 0) return { world, inForce, proposed: inForce, waiting: workloads, heldBack };
  const proposed = waiting.flatMap(policiesOf);
  const replaced = new Set(proposed.map(nameOf));
  const waitingNames = new Set(waiting.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`));
  for (const policy of stored) {
    const { namespace, name } = policy.metadata;
    const isFormer = belongsToOne(policy, waitingNames);
    // a newcomer's allowance lets everything pass, and goes away with the approval
    if (isFormer || name.startsWith(learningNamePrefix)) replaced.add(`${namespace}/${name}`);
  }
  const staying = inForce.filter((policy) => !replaced.has(nameOf(policy)));
  return { world, inForce, proposed: [...staying, ...proposed], waiting: workloads, heldBack };
}

/** An approval of it would change what passes between workloads that there are. */
function isWaiting({ spec, status }: PolicyProposal): boolean {
  if (status === undefined || spec.scope === 'Namespace' || !status.proof.valid) return false;
  const open = status.state === 'Learning' || status.state === 'Ready' || status.state === 'Approved';
  return open && status.enforced?.digest !== status.digest;
}

function heldBackBy(
  proposals: readonly PolicyProposal[],
  heldBackOf: JudgeInput['heldBackOf'],
): Map<WorkloadKey, Map<string, string>> {
  const found = new Map<WorkloadKey, Map<string, string>>();
  for (const proposal of proposals) {
    const { status } = proposal;
    if (status === undefined || status.state === 'Superseded' || status.heldBack.count === 0) continue;
    for (const workload of workloadsOf(proposal)) {
      const of = found.get(workload) ?? new Map<string, string>();
      for (const { connection, message } of heldBackOf(proposal)) of.set(connection, message);
      found.set(workload, of);
    }
  }
  return found;
}

function workloadsOf({ metadata, spec }: PolicyProposal): WorkloadKey[] {
  return spec.workloads.map((workload) => `${metadata.namespace}/${workload}` as WorkloadKey);
}

function nameOf({ metadata }: NetworkPolicy): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function belongsToOne(policy: NetworkPolicy, waiting: ReadonlySet<string>): boolean {
  const proposal = policy.metadata.annotations?.[annotations.proposal];
  return proposal !== undefined && waiting.has(`${policy.metadata.namespace}/${proposal}`);
}
