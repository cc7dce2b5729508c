import type { PolicyProposal, ProposalChange, ProposalSpec } from '../model/policy-proposal.ts';

/** On the proposal itself, written together with its spec: the digest of what nanoseg wrote there last. */
export const proposedDigestAnnotation = 'nanoseg.io/proposed-digest';

/** What nanoseg would write into the spec now. */
export interface MadeText {
  readonly spec: ProposalSpec;
  readonly digest: string;
  /** Against the policies of nanoseg in force; asked only where it matters, because it is dear. */
  readonly change: () => ProposalChange;
  readonly ready: boolean;
  /** Its policies are, to the last field, those that stand in the spec; only the evidence for them moved on. */
  readonly samePolicies: () => boolean;
}

/** Whose text stands in a proposal after this moment, and whether it has to be written first. */
export type TextChoice =
  | { readonly kind: 'none' }
  | { readonly kind: 'keep'; readonly author: 'nanoseg' | 'edited' }
  | { readonly kind: 'write'; readonly because: 'new' | 'changed' | 'reset' };

/**
 * A person's edit is never overwritten; nanoseg's own text gives way to a newer one, which voids approvals of the old
 * by its digest. What is in force is only replaced by less once enough was seen to say so: after the evidence was lost,
 * the first flows must not look like a reason to shrink.
 */
export function chooseText(
  stored: { readonly proposal: PolicyProposal; readonly digest: string } | undefined,
  made: MadeText | undefined,
): TextChoice {
  if (stored === undefined) return made === undefined ? { kind: 'none' } : { kind: 'write', because: 'new' };
  const { spec, metadata, status } = stored.proposal;
  if (spec.policies.trim() === '')
    return made ? { kind: 'write', because: 'reset' } : { kind: 'keep', author: 'nanoseg' };
  if (stored.digest !== metadata.annotations?.[proposedDigestAnnotation]) return { kind: 'keep', author: 'edited' };
  if (made === undefined || made.digest === stored.digest || made.samePolicies())
    return { kind: 'keep', author: 'nanoseg' };
  if (status?.enforced === undefined) return { kind: 'write', because: 'changed' };
  const change = made.change();
  const loses = change === 'Shrink' || change === 'Amend';
  if (change === 'None' || (loses && !made.ready)) return { kind: 'keep', author: 'nanoseg' };
  return { kind: 'write', because: 'changed' };
}
