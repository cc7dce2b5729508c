import type { Decision } from '../model/policy-approval.ts';
import type { PolicyProposal, ProposalStatus } from '../model/policy-proposal.ts';
import { type Problem, problem } from '../model/problem.ts';
import { decidedDigest, formerPolicies, inForce, isCurrent, notYetProved, shortDigest } from './decided.ts';
import type { EffectiveProfile } from './effective-profile.ts';
import { proposalName } from './proposal-names.ts';

export interface DecisionTerms {
  /** The digest, or its first hex digits, that the person insists on. */
  readonly pinned?: string | undefined;
  /** The person knows that not enough was seen. */
  readonly learning?: boolean | undefined;
  /** Nothing can stamp a decision here, so that it can only be claimed. */
  readonly onlyClaims?: boolean;
  readonly effective?: EffectiveProfile;
}

/** Why a decision about the proposal would be wrong or count for nothing; undefined: it is possible. */
export function whyNot(proposal: PolicyProposal, decision: Decision, terms: DecisionTerms): Problem | undefined {
  const name = proposalName(proposal);
  const impossible = (message: string) => problem('DecisionImpossible', `${name} ${message}`);
  const { status } = proposal;
  if (status === undefined) return impossible('has not been proved yet: the controller has not looked at it');
  const isTakingBack = decision === 'Rollback' || decision === 'Retire';
  // what is in force is as it is, whatever text waits for its proof
  if (!isTakingBack && !isCurrent(proposal)) return notYetProved(proposal);
  const message = obstacle(status, decision, terms);
  if (message !== undefined) return impossible(message);
  const { pinned, onlyClaims = false, effective } = terms;
  const digest = decidedDigest(proposal, decision) ?? '';
  if (pinned !== undefined && !digest.slice('sha256:'.length).startsWith(pinned.replace(/^sha256:/, ''))) {
    return problem('ProposalChanged', `${name} is ${shortDigest(digest)}, not ${pinned}`);
  }
  const [fault] = effective?.problems ?? [];
  // what is in force can be taken back also where a namespace is only observed; by a claim only if the profile can be read
  if (fault !== undefined && (onlyClaims || !isTakingBack))
    return { ...fault, message: `${name} can only be observed: ${fault.message}` };
  if (onlyClaims && effective?.profile.approvals.identity === 'stamped') {
    return impossible(
      `is decided by stamped approvals, and nothing stamps them in a workspace: its profile (${effective.origin}) must say approvals.identity: Claimed`,
    );
  }
  return undefined;
}

const noneInForce = 'has no policy of nanoseg in force';

function obstacle(status: ProposalStatus, decision: Decision, { learning = false }: DecisionTerms): string | undefined {
  const current = inForce(status);
  switch (decision) {
    case 'Approve':
      if (status.state === 'Invalid' || !status.proof.valid) return `cannot be approved: ${status.message}`;
      if (status.state === 'Superseded') return `cannot be approved: ${status.message}`;
      if (current?.digest === status.digest) return `is in force as it is (revision ${current.revision})`;
      if (status.state === 'Learning' && !learning) {
        const missing = status.readiness.missing.map(({ message }) => message).join('; ');
        return `is still learning (${missing}): --learning approves it all the same`;
      }
      return undefined;
    case 'Reject':
      return current?.digest === status.digest ? 'is in force: nanoseg rollback takes it back' : undefined;
    case 'Rollback':
      if (current === undefined) return noneInForce;
      return formerPolicies(status) === 'unknown'
        ? `cannot be rolled back: what was before revision ${current.revision} is not known, and nanoseg retire removes it`
        : undefined;
    case 'Retire':
      return current === undefined ? noneInForce : undefined;
  }
}
