import type { PolicyApproval } from '../model/policy-approval.ts';
import type { PolicyProposal } from '../model/policy-proposal.ts';
import type { Problem } from '../model/problem.ts';
import { formerPolicies, inForce } from './decided.ts';
import type { DecisionChanges } from './decision-changes.ts';
import { lineDiff } from './line-diff.ts';
import { effectWords, possibility, revisionView } from './proposal-detail.ts';
import { proposalName } from './proposal-names.ts';
import type { TakingBack } from './proposal-shape.ts';

/** What is found out about taking something back beside what stands in the proposal. */
export interface TakingBackFacts {
  readonly obstacle: Problem | undefined;
  readonly rulesOf: (policies: string) => readonly string[];
  readonly changes: DecisionChanges;
  readonly warnings: readonly string[];
  /** Of the proposal. */
  readonly approvals: readonly PolicyApproval[];
}

/** What would come of taking back what is in force. */
export function takingBack(
  proposal: PolicyProposal,
  decision: TakingBack['decision'],
  { obstacle, rulesOf, changes, warnings, approvals }: TakingBackFacts,
): TakingBack {
  const { metadata, status } = proposal;
  const current = status && inForce(status);
  const former = decision === 'Rollback' && status !== undefined ? formerPolicies(status) : 'none';
  const comesBack = typeof former === 'string' ? undefined : former;
  const policies = comesBack?.policies ?? '';
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    title: proposalName(proposal),
    decision,
    ...possibility(obstacle),
    digest: current?.digest ?? null,
    inForce: current ? revisionView(current) : null,
    comesBack: comesBack ? revisionView(comesBack) : null,
    rulesInWords: rulesOf(policies),
    diff: {
      from: current ? `in force, revision ${current.revision}` : 'nothing in force',
      to: comesBack ? `revision ${comesBack.revision}` : 'no policy of nanoseg',
      text: lineDiff(current?.policies ?? '', policies),
    },
    effect: effectWords(changes),
    warnings,
    approvals:
      decision === 'Rollback'
        ? { given: [], required: 1 }
        : { given: wishes(approvals, current?.digest), required: status?.approvals.required ?? 1 },
  };
}

/** Who wants it retired. */
function wishes(approvals: readonly PolicyApproval[], digest: string | undefined): string[] {
  const counting = approvals.filter(
    ({ spec, status }) => status?.counted === true && spec.decision === 'Retire' && spec.digest === digest,
  );
  const users = counting.map(({ spec: { stamp, claim } }) => stamp?.user ?? claim?.user);
  return [...new Set(users.filter((user) => user !== undefined))];
}
