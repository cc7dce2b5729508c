import { counted } from '../../controller/model/counted.ts';
import type {
  CountedItems,
  Deviation,
  PolicyProposal,
  ProposalStatus,
  Revision,
} from '../../controller/model/policy-proposal.ts';
import { inForce } from '../decide.ts';
import { proposalName } from '../resolve-proposal.ts';
import { age } from './age.ts';
import { connectionIdWords } from './connection-words.ts';
import { groupedItems } from './listed-items.ts';
import { printable } from './printable.ts';
import { closesWords } from './proposal-table.ts';

/** Everything about a proposal that a person asks for: `rules` are its rules in words; the policies stand at the end. */
export function proposalPage(proposal: PolicyProposal, rules: readonly string[], nowMs: number): string {
  const { spec, status, metadata } = proposal;
  const yaml = spec.policies === '' ? '(empty: nanoseg will write its own again)\n' : spec.policies;
  if (status === undefined) {
    return printable(`${proposalName(proposal)}\n  the controller has not looked at it yet\n\nPolicies\n${yaml}`, true);
  }
  const parts = [
    head(proposal, status),
    section('Rules', rules),
    section('Evidence', spec.evidence.map(connectionIdWords), `${counted(spec.evidence.length, 'connection')}`),
    proofSection(status),
    section('Over-grants: allowed beyond the evidence', status.proof.overGrants),
    section('Readiness', readinessLines(status), ''),
    itemsSection('Held back: suspicious, not learned until the profile accepts it', status.heldBack),
    itemsSection('Seen, but no rule is written for it', status.omissions),
    itemsSection('Would deny, of what was seen', status.proof.wouldDeny),
    section('Denied attempts that it would let pass', status.attempts.map(connectionIdWords)),
    shadowSection(status),
    section('Approvals', approvalLines(status, nowMs), ''),
    section(
      'Drift',
      status.drift ? [`${status.drift.policy}: ${status.drift.message}, since ${status.drift.since}`] : [],
    ),
    section('Deviations', status.deviations.map(deviationLine)),
    section('Revisions', revisionLines(status)),
    section('Notes', notes(status)),
    `Policies (${metadata.name})\n${yaml}`,
  ];
  return printable(parts.filter((part) => part !== '').join('\n'), true);
}

function head(proposal: PolicyProposal, status: ProposalStatus): string {
  const { message, state, change, author, digest } = status;
  const current = inForce(status);
  const lines = [
    ['state', `${state}: ${message}`],
    ['digest', digest],
    ['written by', author === 'edited' ? 'nanoseg, and edited by a person afterwards' : 'nanoseg'],
    ['change', changeWords(change)],
    ['closes', closesWords(status)],
    ['in force', current ? `revision ${current.revision} (${current.digest})` : 'no policy of nanoseg'],
  ];
  return `${proposalName(proposal)}\n${lines.map(([label = '', text]) => `  ${label.padEnd(12)}${text}\n`).join('')}`;
}

function changeWords(change: ProposalStatus['change']): string {
  switch (change) {
    case 'New':
      return 'New: nothing of nanoseg is in force yet';
    case 'Grow':
      return 'Grow: allows more than what is in force';
    case 'Shrink':
      return 'Shrink: allows less than what is in force';
    case 'Amend':
      return 'Amend: allows more here and less there than what is in force';
    case 'None':
      return 'None: allows what is in force';
  }
}

function proofSection({ proof }: ProposalStatus): string {
  const lines = proof.checks.map(({ name, passed, message }) => `${passed ? 'passed' : 'FAILED'}  ${name}: ${message}`);
  return section(proof.valid ? 'Proof: valid' : 'Proof: NOT valid, nothing can approve it', lines, '');
}

function readinessLines({ readiness }: ProposalStatus): string[] {
  const { state, coverage, missing } = readiness;
  return [`${state}, coverage ${coverage}`, ...missing.map(({ message }) => `missing: ${message}`)];
}

function shadowSection({ live, digest }: ProposalStatus): string {
  if (live === undefined) return '';
  const about = live.digest === digest ? '' : ' (of the former policies)';
  const title = `Shadow${about}: ${live.wouldDeny} of ${live.judged} flows would be denied since ${live.since}`;
  const lines = live.samples.map(
    ({ connection, message, times }) => `${connectionIdWords(connection)}: ${message} (${counted(times, 'time')})`,
  );
  return `${title}\n${lines.map((line) => `  ${line}\n`).join('')}`;
}

function approvalLines({ approvals }: ProposalStatus, nowMs: number): string[] {
  const distinct = new Set(approvals.given.map(({ user }) => user)).size;
  return [
    approvals.autoRule === undefined
      ? `${distinct} of ${approvals.required} needed`
      : `approved by itself: ${approvals.autoRule}`,
    ...approvals.given.map(
      ({ user, identity, time, approval }) =>
        `given by ${user}${identity === 'Claimed' ? ' (claimed)' : ''} ${age(time, nowMs)} ago (${approval})`,
    ),
    ...approvals.ignored.map(({ approval, because }) => `ignored: ${approval}: ${because}`),
  ];
}

/** `a > b TCP 1: denied, 3 times, last 2026-…: why`. */
function deviationLine({ connection, verdict, times, lastSeen, message }: Deviation): string {
  return `${connectionIdWords(connection)}: ${verdict}, ${counted(times, 'time')}, last ${lastSeen}: ${message}`;
}

function revisionLines(status: ProposalStatus): string[] {
  const current = status.enforced;
  return [
    ...(current ? [`${revisionWords(current)}  in force`] : []),
    ...status.revisions.map((revision) => revisionWords(revision)),
  ];
}

function revisionWords({ revision, digest, policies, appliedAt, approvedBy }: Revision): string {
  const what = policies === '' ? 'no policy of nanoseg' : digest;
  const who = approvedBy.length === 0 ? '' : `, by ${approvedBy.join(', ')}`;
  return `${revision}  ${appliedAt}${who}  ${what}`;
}

function notes({ notes: own, newer, previous }: ProposalStatus): string[] {
  return [
    ...own,
    ...(newer ? [`nanoseg would write ${newer.digest} by now: nanoseg diff --newer shows the difference`] : []),
    ...(previous ? [`changed at ${previous.changedAt}: nanoseg diff --previous shows how`] : []),
  ];
}

function itemsSection(title: string, { count, items }: CountedItems): string {
  const lines = groupedItems(items);
  return section(title, count > items.length ? [...lines, `and ${count - items.length} more`] : lines, `${count}`);
}

function section(title: string, lines: readonly string[], count = `${lines.length}`): string {
  if (lines.length === 0) return '';
  return `${title}${count === '' ? '' : ` (${count})`}\n${lines.map((line) => `  ${line}\n`).join('')}`;
}
