import type { GivenApproval, Operation, Revision } from '../model/policy-proposal.ts';

/** Which revision is in force, and by whose approval. */
export function inForceWords({ revision, approvedBy }: Revision): string {
  return `revision ${revision} is in force${approvedBy.length > 0 ? `, approved by ${approvedBy.join(', ')}` : ''}`;
}

/** What is being done to the policies. */
export function operationWords({ kind, target }: Operation): string {
  switch (kind) {
    case 'Apply':
      return `revision ${target.revision} is being applied`;
    case 'Restore':
      return 'the former state is being restored';
    case 'Retire':
      return 'its policies are being taken away';
  }
}

/** Whoever reads it sees where nobody checked who it was. */
export function named({ user, identity }: GivenApproval): string {
  return identity === 'Claimed' ? `${user} (claimed)` : user;
}

/** The reason somebody gave, as the end of a sentence. */
export function because(reason: string): string {
  return reason === '' ? '' : `: ${reason}`;
}
