import type { ProposalStatus } from '../model/policy-proposal.ts';

/** What of a status is worth a write at once; the rest moves with every flow and is written at a slow pace. */
export function significant(status: ProposalStatus | undefined): string {
  if (status === undefined) return '';
  const { live: _, deviations, readiness, heldBack, omissions, proof, notes: _notes, conditions, ...lasting } = status;
  return JSON.stringify({
    ...lasting,
    deviations: deviations.map(({ connection, verdict }) => [connection, verdict]),
    readiness: [readiness.state, readiness.missing.map(({ code }) => code)],
    heldBack: heldBack.items.map(({ connection }) => connection),
    omissions: omissions.items.map(({ connection }) => connection),
    proof: [proof.valid, proof.overGrants, proof.wouldDeny.items.map(({ connection }) => connection)],
    conditions: conditions.map(({ type, status: holds, reason }) => [type, holds, reason]),
    message: status.state === 'Learning' ? '' : status.message,
  });
}
