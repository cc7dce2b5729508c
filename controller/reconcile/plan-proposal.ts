import { counted } from '../model/counted.ts';
import {
  keptRevisions,
  type Operation,
  type PolicyProposal,
  type ProposalState,
  type ProposalStatus,
  type Revision,
} from '../model/policy-proposal.ts';
import type { AuditRecord } from '../ports.ts';
import { conditionsOf } from './conditions.ts';
import { liveOf, mergedDeviations } from './live-findings.ts';
import type { ProposalFacts } from './proposal-facts.ts';
import { findingsOf } from './proposal-findings.ts';
import { approvedRecords, noticed, recordOf } from './proposal-records.ts';
import { because, inForceWords, named, operationWords } from './plan-words.ts';

/** What is to be done about one proposal now. Doing it twice changes nothing the second time. */
export interface ProposalPlan {
  /** Performed on the policies after `before` is stored, and before `status` is: a crash in between is finished later. */
  readonly operation: Operation | undefined;
  readonly before: ProposalStatus | undefined;
  /** Who decided it: told before anything is written, so that no policy is ever stored without its approval on record. */
  readonly decided: readonly AuditRecord[];
  /** The policies of this revision are to be written again, because they drifted. */
  readonly repair: Revision | undefined;
  readonly status: ProposalStatus;
  /** What auditors, Events and notifications are told once all is done. */
  readonly records: readonly AuditRecord[];
  /** When to look again although nothing changed. */
  readonly againMs: number | undefined;
}

/** The lasting part of a status. */
interface Verdict {
  readonly state: ProposalState;
  readonly message: string;
  readonly operation?: Operation;
  readonly enforced: Revision | undefined;
  readonly revisions: readonly Revision[];
  readonly notBefore: string | undefined;
  readonly decided?: readonly AuditRecord[];
  readonly records: readonly AuditRecord[];
}

/** Within the guard time an outage is noticed this soon, in ms. */
const guardPaceMs = 1000;

/** Stands for "no policy of nanoseg was there" in the history. */
const nothing: Revision = {
  revision: 0,
  digest: '',
  policies: '',
  appliedAt: '1970-01-01T00:00:00.000Z',
  approvedBy: [],
  baseline: [],
};

/** Decides purely what comes next for a proposal. Without a valid decision of a person or a rule no policy changes. */
export function planProposal(facts: ProposalFacts): ProposalPlan {
  const verdict = judge(facts);
  const { operation } = verdict;
  const { status: former } = facts.proposal;
  const repair = operation === undefined && former?.applying === undefined ? repairOf(facts, verdict) : undefined;
  const before =
    // what is resumed is stored already; what takes its place is not
    operation === undefined || operation === former?.applying
      ? undefined
      : {
          ...statusOf(facts, standstill(facts, former?.state ?? 'Approved', operationWords(operation)), false),
          applying: operation,
        };
  return {
    operation,
    before,
    decided: verdict.decided ?? [],
    repair,
    status: statusOf(facts, verdict, repair !== undefined),
    records: [...verdict.records, ...noticed(facts, verdict.enforced, repair)],
    againMs:
      verdict.state === 'Enforced' && facts.guard.kind === 'watching'
        ? Math.min(facts.guard.againMs, guardPaceMs)
        : undefined,
  };
}

function judge(facts: ProposalFacts): Verdict {
  const { judgement, standing, superseded, profile, stopped, proposal } = facts;
  const enforced = enforcedNow(facts);
  const mayWrite = profile.mode === 'enforce' && stopped === undefined;
  const under = proposal.status?.applying;
  if (under !== undefined && stopped === undefined) {
    const resumed = resume(facts, under, mayWrite);
    if (resumed) return resumed;
  }
  if (enforced !== undefined && stopped === undefined) {
    const taken = takenBack(facts, enforced);
    if (taken) return taken;
  }
  if (superseded !== undefined) return standstill(facts, 'Superseded', superseded);
  if (enforced !== undefined && enforced.digest === standing.digest) {
    return standstill(facts, 'Enforced', inForceWords(enforced));
  }
  if (!standing.proof.valid) {
    const failed = standing.proof.checks.filter(({ passed }) => !passed).map(({ message }) => message);
    return standstill(facts, 'Invalid', `its proof failed: ${failed.join('; ')}`);
  }
  switch (judgement.kind) {
    case 'approved':
    case 'approved-by-rule': {
      if (mayWrite) return begin(facts, applying(facts, enforced));
      const waits =
        stopped === undefined ? `the namespace is in mode ${profile.mode}` : `writing is stopped: ${stopped}`;
      return {
        ...standstill(facts, 'Approved', `approved, and not applied: ${waits}`),
        records: approvedRecords(facts),
      };
    }
    case 'rejected': {
      const message = `rejected by ${named(judgement.by)}${because(judgement.reason)}`;
      const timeMs = Date.parse(judgement.by.time);
      const records = [recordOf(facts, 'Rejected', named(judgement.by), message, { timeMs })];
      return { ...standstill(facts, 'Rejected', message), notBefore: iso(facts.nowMs), records };
    }
    case 'rollback':
    case 'retire':
    case 'pending':
    case 'none':
      return waiting(facts);
  }
}

/** Rollback and retirement by a person, and rollback by itself within the guard time. */
function takenBack(facts: ProposalFacts, enforced: Revision): Verdict | undefined {
  const { judgement, guard, profile, nowMs, proposal } = facts;
  const startedAt = iso(nowMs);
  const target = formerState(proposal, enforced);
  if (judgement.kind === 'rollback' && target === undefined) {
    const message = `${inForceWords(enforced)}; it cannot be rolled back, because what was before it is not known: retire it to remove it`;
    return standstill(facts, facts.standing.digest === enforced.digest ? 'Enforced' : waiting(facts).state, message);
  }
  if (judgement.kind === 'rollback' && target !== undefined) {
    return begin(facts, { kind: 'Restore', target, by: named(judgement.by), reason: judgement.reason, startedAt });
  }
  if (judgement.kind === 'retire') {
    const by = judgement.by.map(named).join(', ');
    return begin(facts, { kind: 'Retire', target: nothing, by, reason: judgement.reason, startedAt });
  }
  // only what was just applied is taken back by itself, and never what a rollback put there
  const guarded = proposal.status?.state === 'Enforced' && proposal.status.enforced?.revision === enforced.revision;
  if (guarded && target !== undefined && guard.kind === 'rollback' && profile.mode === 'enforce') {
    if (facts.closed && target.policies === '') {
      const message = `${inForceWords(enforced)}; not taken back although ${guard.because}: the namespace is closed, so that nothing at all would be allowed then`;
      return standstill(facts, 'Enforced', message);
    }
    return begin(facts, { kind: 'Restore', target, by: 'nanoseg', reason: guard.because, startedAt });
  }
  return undefined;
}

/** What was in force before; undefined where the history was lost with a proposal that somebody deleted. */
function formerState({ status }: PolicyProposal, { revision }: Revision): Revision | undefined {
  return status?.revisions[0] ?? (revision > 1 ? undefined : nothing);
}

/** What was begun is finished: a rollback in any case, an apply if its policies are stored or it is still approved. */
function resume(facts: ProposalFacts, under: Operation, mayWrite: boolean): Verdict | undefined {
  const { inForce, judgement, standing } = facts;
  if (under.kind !== 'Apply') return begin(facts, under);
  if (inForce.applyingDone) return begin(facts, under);
  const approved = judgement.kind === 'approved' || judgement.kind === 'approved-by-rule';
  const same = under.target.digest === standing.digest;
  return approved && same && mayWrite && standing.proof.valid ? begin(facts, under) : undefined;
}

function applying(facts: ProposalFacts, enforced: Revision | undefined): Operation {
  const { proposal, standing, judgement, nowMs } = facts;
  const known = [...(enforced ? [enforced] : []), ...(proposal.status?.revisions ?? [])];
  const by =
    judgement.kind === 'approved'
      ? judgement.by.map(named)
      : judgement.kind === 'approved-by-rule'
        ? [judgement.words]
        : [];
  const target: Revision = {
    revision:
      lastRevision([...known, ...(proposal.status ? [{ revision: proposal.status.lastRevision ?? 0 }] : [])]) + 1,
    digest: standing.digest,
    policies: proposal.spec.policies,
    appliedAt: iso(nowMs),
    approvedBy: by,
    baseline: standing.baseline,
  };
  return { kind: 'Apply', target, by: by.join(', '), reason: 'approved', startedAt: iso(nowMs) };
}

function lastRevision(known: readonly Pick<Revision, 'revision'>[]): number {
  return Math.max(0, ...known.map(({ revision }) => revision));
}

/** The status as it is once the operation is done. */
function begin(facts: ProposalFacts, operation: Operation): Verdict {
  const { status } = facts.proposal;
  const enforced = enforcedNow(facts);
  const revisions = status?.revisions ?? [];
  const { kind, target, by, reason } = operation;
  // of what is finished after a crash there is one record: the log keeps equal ones once
  const timeMs = Date.parse(operation.startedAt);
  switch (kind) {
    case 'Apply':
      return {
        // what was begun before a crash may be another text than the one that stands there now
        ...(target.digest === facts.standing.digest
          ? { state: 'Enforced', message: inForceWords(target) }
          : waiting(facts)),
        operation,
        enforced: target,
        revisions: [enforced ?? nothing, ...revisions].slice(0, keptRevisions),
        notBefore: status?.notBefore,
        decided: approvedRecords(facts),
        records: [recordOf(facts, 'Applied', by, inForceWords(target), { digest: target.digest, timeMs })],
      };
    case 'Restore': {
      const back = target.policies === '' ? 'to the state without a policy' : `to revision ${target.revision}`;
      const message = `taken back ${back} by ${by}${because(reason)}`;
      return {
        state: 'RolledBack',
        message,
        operation,
        enforced: target.policies === '' ? undefined : target,
        revisions: revisions.slice(1),
        notBefore: iso(facts.nowMs),
        records: [recordOf(facts, 'RolledBack', by, message, { digest: enforced?.digest, timeMs })],
      };
    }
    case 'Retire': {
      const message = `retired by ${by}${because(reason)}: no policy of nanoseg is in force`;
      return {
        state: 'RolledBack',
        message,
        operation,
        enforced: undefined,
        revisions: [...(enforced ? [enforced] : []), ...revisions].slice(0, keptRevisions),
        notBefore: iso(facts.nowMs),
        records: [recordOf(facts, 'Retired', by, message, { digest: enforced?.digest, timeMs })],
      };
    }
  }
}

function waiting(facts: ProposalFacts): Verdict {
  const { standing, judgement, proposal } = facts;
  const { status } = proposal;
  const lasting = status?.state === 'Rejected' || status?.state === 'RolledBack';
  if (lasting && status.digest === standing.digest) return standstill(facts, status.state, status.message);
  if (standing.readiness.state === 'learning') {
    const [first, ...others] = standing.readiness.missing;
    const more = others.length > 0 ? `; and ${counted(others.length, 'more reason')}` : '';
    return standstill(facts, 'Learning', `${first?.message ?? 'not enough was seen'}${more}`);
  }
  if (judgement.kind !== 'pending') return standstill(facts, 'Ready', 'waits for approval');
  const users = judgement.given.map(named).join(', ');
  const missing = counted(judgement.required - judgement.given.length, 'more approver');
  return standstill(facts, 'Ready', `approved by ${users}; needs ${missing}`);
}

/** What is in force by the status, or by the policies themselves where the status was lost. */
function enforcedNow({ proposal, inForce }: ProposalFacts): Revision | undefined {
  return proposal.status?.enforced ?? inForce.adopted;
}

function standstill(facts: ProposalFacts, state: ProposalState, message: string): Verdict {
  const { status } = facts.proposal;
  const revisions = status?.revisions ?? [];
  return { state, message, enforced: enforcedNow(facts), revisions, notBefore: status?.notBefore, records: [] };
}

function repairOf({ inForce, profile, stopped }: ProposalFacts, { enforced }: Verdict): Revision | undefined {
  const may = profile.drift === 'repair' && profile.mode === 'enforce' && stopped === undefined;
  return inForce.drift !== undefined && may ? enforced : undefined;
}

function statusOf(facts: ProposalFacts, verdict: Verdict, repaired: boolean): ProposalStatus {
  const { proposal, standing, newer, inForce, nowMs } = facts;
  const former = proposal.status;
  // what is written now takes the place of whatever somebody made of it
  const drift = repaired || verdict.operation !== undefined ? undefined : inForce.drift;
  const sameRevision = verdict.enforced !== undefined && verdict.enforced.revision === former?.enforced?.revision;
  const deviations = sameRevision ? mergedDeviations(former.deviations, facts.watched) : [];
  const live = liveOf(former?.live, facts.shadow, standing.digest, nowMs);
  const generation = proposal.metadata.generation ?? 1;
  const previous = former?.previous;
  return {
    observedGeneration: generation,
    state: verdict.state,
    message: verdict.message,
    digest: standing.digest,
    author: standing.author,
    proposedDigest: standing.proposedDigest,
    change: standing.change,
    rules: standing.rules,
    ...(newer === undefined ? {} : { newer }),
    ...(previous === undefined ? {} : { previous }),
    readiness: standing.readiness,
    proof: standing.proof,
    heldBack: standing.heldBack,
    omissions: standing.omissions,
    attempts: standing.attempts,
    notes: standing.notes,
    approvals: approvalsOf(facts),
    ...(verdict.notBefore === undefined ? {} : { notBefore: verdict.notBefore }),
    ...(verdict.enforced === undefined ? {} : { enforced: verdict.enforced }),
    revisions: verdict.revisions,
    ...lastRevisionOf(former, verdict),
    ...(drift === undefined ? {} : { drift: { ...drift, since: former?.drift?.since ?? iso(nowMs) } }),
    deviations,
    ...(live === undefined ? {} : { live }),
    conditions: conditionsOf(
      findingsOf(facts, verdict, drift !== undefined),
      former?.conditions ?? [],
      iso(nowMs),
      generation,
    ),
  };
}

function lastRevisionOf(
  former: ProposalStatus | undefined,
  { enforced }: Verdict,
): Pick<ProposalStatus, 'lastRevision'> {
  const known = [enforced, former?.enforced].filter((revision) => revision !== undefined);
  const last = lastRevision([...known, { revision: former?.lastRevision ?? 0 }]);
  return last === 0 ? {} : { lastRevision: last };
}

function approvalsOf({ judgement, profile }: ProposalFacts): ProposalStatus['approvals'] {
  const { required } = profile.approvals;
  const ignored = judgement.ignored.map(({ approval, because: why }) => ({ approval, because: why }));
  const given = judgement.kind === 'approved' ? judgement.by : judgement.kind === 'pending' ? judgement.given : [];
  return judgement.kind === 'approved-by-rule'
    ? { required, given: [], ignored, autoRule: judgement.words }
    : { required, given, ignored };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
