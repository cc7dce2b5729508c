import type { Decision } from '../model/policy-approval.ts';
import type { CountedItems, PolicyProposal, ProposalStatus, Revision } from '../model/policy-proposal.ts';
import type { Problem } from '../model/problem.ts';
import type { Mode } from '../model/profile.ts';
import { connectionIdWords } from './connection-words.ts';
import { inForce } from './decided.ts';
import type { DecisionChanges } from './decision-changes.ts';
import { lineDiff } from './line-diff.ts';
import { groupedItems, itemLine } from './listed-items.ts';
import type { CountedWords, DecisionPossibility, EffectWords, ProposalDetail, RevisionView } from './proposal-shape.ts';
import { proposalSummary } from './proposal-summary.ts';

/** Longer lists are cut, and counted. */
const listed = 500;

/** What is found out about a proposal beside what stands in it. */
export interface DetailFacts {
  readonly rulesInWords: readonly string[];
  readonly changes: DecisionChanges;
  readonly warnings: readonly string[];
  readonly mode: Mode | 'exempt' | 'unknown';
  /** Why the caller cannot decide so; undefined: it is possible. */
  readonly obstacle: (decision: Decision) => Problem | undefined;
}

export function proposalDetail(proposal: PolicyProposal, facts: DetailFacts): ProposalDetail {
  const { spec, status } = proposal;
  const current = status && inForce(status);
  return {
    ...proposalSummary(proposal),
    policies: spec.policies,
    rulesInWords: facts.rulesInWords,
    diff: {
      from: current ? `in force, revision ${current.revision}` : 'nothing in force',
      to: 'proposed',
      text: lineDiff(current?.policies ?? '', spec.policies),
    },
    effect: effectWords(facts.changes),
    inForce: current ? revisionView(current) : null,
    evidence: {
      count: spec.evidence.length,
      said: Math.min(spec.evidence.length, listed),
      items: spec.evidence.slice(0, listed).map(connectionIdWords),
    },
    ...(status === undefined ? noStatus : statusParts(status)),
    warnings: facts.warnings,
    mode: facts.mode,
    decisions: {
      approve: possibility(facts.obstacle('Approve')),
      reject: possibility(facts.obstacle('Reject')),
      rollback: possibility(facts.obstacle('Rollback')),
      retire: possibility(facts.obstacle('Retire')),
    },
  };
}

function statusParts(status: ProposalStatus) {
  const { proof, approvals, live, drift, digest } = status;
  return {
    revisions: status.revisions.map(revisionView),
    proof: { valid: proof.valid, checks: proof.checks, overGrants: proof.overGrants },
    heldBackInWords: inWords(status.heldBack),
    omissions: inWords(status.omissions),
    wouldDeny: inWords(proof.wouldDeny),
    attempts: status.attempts.slice(0, listed).map(connectionIdWords),
    shadowSamples: live?.digest === digest ? live.samples.map(itemLine) : [],
    given: approvals.given,
    ignored: approvals.ignored,
    deviationsInWords: status.deviations.map(
      ({ connection, message }) => `${connectionIdWords(connection)}: ${message}`,
    ),
    drift: drift === undefined ? null : `${drift.policy}: ${drift.message}, since ${drift.since}`,
    notes: status.notes,
    conditions: status.conditions,
  };
}

const nothing: CountedWords = { count: 0, said: 0, items: [] };
const noStatus: ReturnType<typeof statusParts> = {
  revisions: [],
  proof: { valid: false, checks: [], overGrants: [] },
  heldBackInWords: nothing,
  omissions: nothing,
  wouldDeny: nothing,
  attempts: [],
  shadowSamples: [],
  given: [],
  ignored: [],
  deviationsInWords: [],
  drift: null,
  notes: [],
  conditions: [],
};

function inWords({ count, items }: CountedItems): CountedWords {
  return { count, said: items.length, items: groupedItems(items) };
}

export function revisionView({ revision, digest, appliedAt, approvedBy, policies }: Revision): RevisionView {
  return { revision, digest, appliedAt, approvedBy, policies };
}

export function possibility(obstacle: Problem | undefined): DecisionPossibility {
  return { possible: obstacle === undefined, because: obstacle?.message ?? null };
}

export function effectWords({ opens, denies, uncertain, incomplete }: DecisionChanges): EffectWords {
  return {
    opens: opens.slice(0, listed),
    denies: denies.slice(0, listed),
    uncertain: uncertain.slice(0, listed),
    incomplete: incomplete ?? null,
  };
}
