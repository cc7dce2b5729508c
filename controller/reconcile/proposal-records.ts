import type { Revision } from '../model/policy-proposal.ts';
import type { AuditAction, AuditRecord } from '../ports.ts';
import type { ProposalFacts } from './proposal-facts.ts';
import { named } from './plan-words.ts';

/** What happened by itself since the last look: edits, drift, deviations. */
export function noticed(
  facts: ProposalFacts,
  enforced: Revision | undefined,
  repair: Revision | undefined,
): AuditRecord[] {
  const { proposal, standing, inForce, watched } = facts;
  const former = proposal.status;
  const records: AuditRecord[] = [];
  if (standing.author === 'edited' && former?.digest !== standing.digest) {
    // the API server records programs and not people as the owners of fields
    records.push(recordOf(facts, 'Edited', 'a person', 'the policies of the proposal were edited, and proved anew'));
  }
  if (inForce.drift !== undefined && former?.drift === undefined) {
    records.push(recordOf(facts, 'DriftFound', 'nanoseg', inForce.drift.message, { digest: enforced?.digest }));
  }
  if (repair !== undefined) {
    records.push(
      recordOf(facts, 'DriftRepaired', 'nanoseg', `revision ${repair.revision} was written again`, {
        digest: repair.digest,
      }),
    );
  }
  if (enforced !== undefined && watched !== undefined) {
    const known = new Set((former?.deviations ?? []).map(({ connection }) => connection));
    for (const [kind, found] of [
      ['Deviation', watched.denied],
      ['NotEnforced', watched.passed],
    ] as const) {
      for (const { connection, message } of found.samples) {
        if (!known.has(connection))
          records.push(recordOf(facts, kind, 'nanoseg', message, { digest: enforced.digest }));
      }
    }
  }
  return records;
}

/** Who approved it, with the time of the decision, so that they are the same however often the plan has to be made. */
export function approvedRecords(facts: ProposalFacts): AuditRecord[] {
  const { judgement, proposal, standing } = facts;
  const { status } = proposal;
  if (status?.digest === standing.digest && (status.state === 'Approved' || status.applying !== undefined)) return [];
  if (judgement.kind === 'approved') {
    return judgement.by.map((given) => {
      const checked = given.identity === 'Claimed' ? ', by a claim that nobody checked' : '';
      const message = `${given.approval} approves it${checked}`;
      return recordOf(facts, 'Approved', named(given), message, { timeMs: Date.parse(given.time) });
    });
  }
  if (judgement.kind !== 'approved-by-rule') return [];
  return [recordOf(facts, 'Approved', judgement.words, 'approved by a rule of the profile')];
}

/** One record of a proposal, of now and of the text that stands there unless told otherwise. */
export function recordOf(
  { nowMs, proposal: { metadata }, standing }: ProposalFacts,
  action: AuditAction,
  actor: string,
  message: string,
  { digest = standing.digest, timeMs = nowMs }: { readonly digest?: string | undefined; readonly timeMs?: number } = {},
): AuditRecord {
  const subject = { kind: 'PolicyProposal', namespace: metadata.namespace, name: metadata.name };
  return { timeMs, actor, action, subject, digest, message };
}
