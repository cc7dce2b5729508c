import type { ProposalStatus } from '../model/policy-proposal.ts';

/** `41 of 43 pairs`: what could reach each other and cannot any more. */
export function closesWords({ proof }: ProposalStatus): string {
  const { reachableBefore: before, reachableAfter: after, valid } = proof;
  return valid ? `${Math.max(0, before - after)} of ${before} ${before === 1 ? 'pair' : 'pairs'}` : '-';
}

/** `none`; `cluster-dns, open-to-world`; `2 never seen, cluster-dns`. */
export function overGrantNames({ proof }: ProposalStatus): string {
  const names = proof.overGrants.map((grant) => /\(([^()]+)\)$/.exec(grant)?.[1]);
  const unnamed = names.filter((name) => name === undefined).length;
  const parts = [
    ...(unnamed > 0 ? [`${unnamed} never seen`] : []),
    ...[...new Set(names.flatMap((name) => name ?? []))].sort(),
  ];
  return parts.length === 0 ? 'none' : parts.join(', ');
}
