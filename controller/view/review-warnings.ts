import { counted } from '../model/counted.ts';
import type { Decision } from '../model/policy-approval.ts';
import type { PolicyProposal } from '../model/policy-proposal.ts';
import type { DecisionChanges } from './decision-changes.ts';
import type { EffectiveProfile } from './effective-profile.ts';

/** What a person must know to decide about a proposal. */
export interface Review {
  readonly proposal: PolicyProposal;
  readonly decision: Decision;
  readonly effective: EffectiveProfile;
  /** The proposed rules in words. */
  readonly rules: readonly string[];
  readonly changes: DecisionChanges;
}

/** What a person must not overlook before saying yes. */
export function reviewWarnings({ decision, effective, proposal, changes }: Review): string[] {
  const { status } = proposal;
  if (status === undefined) return [];
  const found: string[] = [];
  if (decision === 'Approve') {
    if (status.author === 'edited') found.push('a person edited these policies after nanoseg wrote them');
    if (status.newer !== undefined) found.push('nanoseg would write other policies by now: nanoseg diff --newer');
    if (status.state === 'Learning') {
      found.push(`not enough was seen: ${status.readiness.missing.map(({ message }) => message).join('; ')}`);
    }
    if (status.live?.digest === status.digest && status.live.wouldDeny > 0) {
      found.push(`${counted(status.live.wouldDeny, 'live flow')} would have been denied since ${status.live.since}`);
    }
  }
  if (status.drift !== undefined && decision !== 'Reject')
    found.push(`${status.drift.policy}: ${status.drift.message}`);
  if (decision === 'Retire' || decision === 'Rollback') {
    if (changes.opens.length > 0 || changes.incomplete !== undefined) found.push('this opens the network');
    if (changes.denies.length > 0) found.push('this denies what passes now, as other policies stay in force');
  }
  // what is in force can be taken back in every mode
  if (decision === 'Approve' && effective.mode === 'unknown') {
    found.push('whether it is applied at once is not known: you may not read the mode in the profile of the cluster');
  } else if (decision === 'Approve' && effective.mode !== 'enforce') {
    const { namespace } = proposal.metadata;
    found.push(`nothing will be applied yet: the mode of ${namespace} is ${effective.mode} (${effective.origin})`);
  }
  if (decision !== 'Reject' && effective.stopped !== undefined) {
    found.push(`nothing is applied until nanoseg resume: stopped, ${effective.stopped}`);
  }
  if (effective.profile.approvals.identity === 'claimed')
    found.push('nobody checks who decides: the identity is only claimed');
  return found;
}
