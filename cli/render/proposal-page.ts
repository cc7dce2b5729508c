import { counted } from '../../controller/model/counted.ts';
import type {
  CountedItems,
  Deviation,
  PolicyProposal,
  ProposalStatus,
  Revision,
} from '../../controller/model/policy-proposal.ts';
import { inForce } from '../../controller/view/decided.ts';
import type { ProposalListName } from '../../controller/view/proposal-shape.ts';
import { proposalName } from '../../controller/view/proposal-names.ts';
import { age } from './age.ts';
import { connectionIdWords } from '../../controller/view/connection-words.ts';
import { groupedItems, itemLine, notAmong } from '../../controller/view/listed-items.ts';
import { printable } from './printable.ts';
import { closesWords } from '../../controller/view/proposal-figures.ts';

/** Everything about a proposal that a person asks for: `rules` are its rules in words; the policies stand at the end. */
export function proposalPage(proposal: PolicyProposal, rules: readonly string[], nowMs: number): string {
  const { spec, status, metadata } = proposal;
  const yaml = spec.policies === '' ? '(empty: nanoseg will write its own again)\n' : spec.policies;
  if (status === undefined) {
    return printable(`${proposalName(proposal)}\n  the controller has not looked at it yet\n\nPolicies\n${yaml}`, true);
  }
  const pathOf = (list: ProposalListName) => `/api/v1/proposals/${metadata.namespace}/${metadata.name}/${list}`;
  const parts = [
    head(proposal, status),
    section('Rules', rules),
    section('Evidence', firstOf(spec.evidence.map(connectionIdWords)), counted(spec.evidence.length, 'connection')),
    proofSection(status),
    lines('Over-grants: allowed beyond the evidence', status.proof.overGrants),
    section('Readiness', readinessLines(status), ''),
    itemsSection(
      'Held back: suspicious, not learned until the profile accepts it',
      status.heldBack,
      pathOf('held-back'),
    ),
    itemsSection('Seen, but no rule is written for it', status.omissions, pathOf('omissions')),
    wouldDenySection(status, pathOf('would-deny')),
    lines('Denied attempts that it would let pass', status.attempts.map(connectionIdWords)),
    shadowSection(status),
    section('Approvals', approvalLines(status, nowMs), ''),
    section(
      'Drift',
      status.drift ? [`${status.drift.policy}: ${status.drift.message}, since ${status.drift.since}`] : [],
    ),
    lines('Deviations', status.deviations.map(deviationLine)),
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
  return `${title}\n${live.samples.map((item) => `  ${itemLine(item)}, ${counted(item.times, 'time')}\n`).join('')}`;
}

function approvalLines(status: ProposalStatus, nowMs: number): string[] {
  const { approvals } = status;
  const distinct = new Set(approvals.given.map(({ user }) => user)).size;
  const need =
    inForce(status)?.digest === status.digest
      ? `in force since ${inForce(status)?.appliedAt}: nothing to approve`
      : `${distinct} of ${approvals.required} needed`;
  return [
    approvals.autoRule === undefined ? need : `approved by itself: ${approvals.autoRule}`,
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
  // before the first policy there is nothing that came into force
  if (revision === 0) return '0  no policy of nanoseg';
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

/** What was held back is denied by intention, and stands above. */
function wouldDenySection({ proof: { wouldDeny }, heldBack }: ProposalStatus, path: string): string {
  const others = notAmong(wouldDeny, heldBack);
  const meant = wouldDeny.items.length - others.length;
  const also =
    others.length === 0 ? 'only what is held back above' : `and ${counted(meant, 'connection')} held back above`;
  const shown = { count: wouldDeny.count - meant, items: others };
  return itemsSection('Would deny, of what was seen', shown, path, wouldDeny.count, meant === 0 ? [] : [also]);
}

function itemsSection(
  title: string,
  { count, items }: CountedItems,
  path: string,
  total = count,
  besides: readonly string[] = [],
): string {
  const shown = firstOf(groupedItems(items));
  const rest = count - items.length;
  const more =
    rest > 0 ? [`and ${counted(rest, 'connection')} more, all of them in nanoseg ui and at GET ${path}`] : [];
  return section(title, [...shown, ...more, ...besides], `${total}`);
}

/** A list as long as what was seen. */
function lines(title: string, all: readonly string[]): string {
  return section(title, firstOf(all), `${all.length}`);
}

/** Longer lists are cut for people. */
const listed = 20;

function firstOf(all: readonly string[]): string[] {
  const rest = all.length - listed;
  return rest > 0 ? [...all.slice(0, listed), `and ${rest} more: see -o json`] : [...all];
}

function section(title: string, shown: readonly string[], count = `${shown.length}`): string {
  if (shown.length === 0) return '';
  return `${title}${count === '' ? '' : ` (${count})`}\n${shown.map((line) => `  ${line}\n`).join('')}`;
}
