import type { Proof, ProofCheck } from '../model/proposal.ts';

/** A check passes when it has found no fault; of many faults the first few are told. */
export function proofCheck(name: ProofCheck['name'], faults: readonly string[], fine: string): ProofCheck {
  return faults.length === 0
    ? { name, passed: true, message: fine }
    : { name, passed: false, message: firstOf(faults) };
}

/** The first few of many, and how many more there are. */
export function firstOf(items: readonly string[]): string {
  const listed = items.slice(0, 5).join('; ');
  return items.length > 5 ? `${listed}; and ${items.length - 5} more` : listed;
}

/** A proof that ends where the text could not be read as what it has to be: nothing else is claimed of it. */
export function unproved(made: readonly ProofCheck[]): Proof {
  const open = ['evidence-allowed', 'no-over-grant', 'no-allow-all', 'isolated', 'subject-exact'] as const;
  const checks = [...open.map((name) => proofCheck(name, ['not checked, because nothing was read back'], '')), ...made];
  return { valid: false, checks, overGrants: [], wouldDeny: [], reachableBefore: 0, reachableAfter: 0 };
}
