import type { Labels } from '../model/label-selector.ts';
import type { ProposalChange } from '../model/policy-proposal.ts';
import type { AutoApprovalRule } from '../model/profile.ts';

/** What a rule of a profile may look at. */
export interface AutomaticCase {
  readonly automatic: readonly AutoApprovalRule[];
  readonly change: ProposalChange;
  /** How many connections it would open that were denied so far. */
  readonly attempts: number;
  readonly edited: boolean;
  /** It, or another version of it, was rejected or taken back. */
  readonly refusedBefore: boolean;
  readonly namespaceLabels: Labels;
}

/**
 * The first rule that approves the change. No rule opens what was denied, none puts back what people took away, and of
 * what a person wrote only that which takes rights away goes without a second pair of eyes.
 */
export function automaticApproval(asked: AutomaticCase): AutoApprovalRule | undefined {
  const { automatic, change, attempts, edited, refusedBefore, namespaceLabels } = asked;
  if (change === 'None' || attempts !== 0 || refusedBefore || (edited && change !== 'Shrink')) return undefined;
  return automatic.find(
    (rule) =>
      rule.changes.includes(change) &&
      Object.entries(rule.namespaceLabels).every(
        ([key, value]) => Object.hasOwn(namespaceLabels, key) && namespaceLabels[key] === value,
      ),
  );
}
