import type { Decision } from '../model/policy-approval.ts';
import type { PolicyProposal, ProposalStatus, Revision } from '../model/policy-proposal.ts';
import { type Problem, problem } from '../model/problem.ts';
import { proposalName } from './proposal-names.ts';

/** The digest that a decision is about: what is proposed, or what is in force. */
export function decidedDigest({ status }: PolicyProposal, decision: Decision): string | undefined {
  switch (decision) {
    case 'Approve':
    case 'Reject':
      return status?.digest;
    case 'Rollback':
    case 'Retire':
      return status && inForce(status)?.digest;
  }
}

/** The policies of nanoseg that are in force, or undefined when there are none. */
export function inForce({ enforced }: ProposalStatus): Revision | undefined {
  return enforced?.policies === '' ? undefined : enforced;
}

/** What a rollback brings back; `unknown`: its history was lost with a proposal that somebody deleted. */
export function formerPolicies(status: ProposalStatus): Revision | 'none' | 'unknown' {
  const [former] = status.revisions;
  if (former !== undefined) return former.policies === '' ? 'none' : former;
  return (inForce(status)?.revision ?? 0) > 1 ? 'unknown' : 'none';
}

/** False while the controller has not yet looked at the text as it stands in the spec. */
export function isCurrent({ metadata, status }: PolicyProposal): boolean {
  return metadata.generation === undefined || status?.observedGeneration === metadata.generation;
}

export function notYetProved(proposal: PolicyProposal): Problem {
  const message = `${proposalName(proposal)} was edited, and the controller has not proved the new text yet`;
  return problem('ProposalChanged', message);
}

/** The first 12 of the hex digits, which nobody mistakes for others. */
export function shortDigest(digest: string | undefined): string {
  return digest === undefined || digest === '' ? 'nothing' : digest.slice(0, 'sha256:'.length + 12);
}
