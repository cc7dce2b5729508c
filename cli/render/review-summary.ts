import { counted } from '../../controller/model/counted.ts';
import type { ProposalStatus } from '../../controller/model/policy-proposal.ts';
import { inForce, shortDigest } from '../../controller/view/decided.ts';
import { proposalName } from '../../controller/view/proposal-names.ts';
import { type Review, reviewWarnings } from '../../controller/view/review-warnings.ts';
import { connectionIdWords } from '../../controller/view/connection-words.ts';
import { groupedItems, itemLine, notAmong } from '../../controller/view/listed-items.ts';
import { printable } from './printable.ts';
import { closesWords, overGrantNames } from '../../controller/view/proposal-figures.ts';

/** Entries of each list; `show` has all of them. */
const listed = 6;
/** Proposals that are named with an over-grant; of one that more have it is said how many do. */
const namedProposals = 3;

/** What a person must see before saying yes: each proposal, and of several what they come to together; ends with a newline. */
export function reviewSummary(reviews: readonly Review[]): string {
  if (reviews.length === 1) return reviews.map((review) => oneSummary(review, [])).join('');
  const [first = [], ...others] = reviews.map(reviewWarnings);
  const shared = first.filter((warning) => others.every((list) => list.includes(warning)));
  return [...reviews.map((review) => oneSummary(review, shared)), togetherSummary(reviews, shared)].join('\n');
}

/** Without the warnings that hold for all of them. */
function oneSummary(review: Review, shared: readonly string[]): string {
  const { proposal, decision } = review;
  const { status } = proposal;
  if (status === undefined) return `${proposalName(proposal)}\n`;
  const digest = decision === 'Rollback' || decision === 'Retire' ? inForce(status)?.digest : status.digest;
  const parts = [
    ...(decision === 'Approve' ? approvalLines(review, status) : []),
    ...(decision === 'Rollback' ? rollbackLines(status) : []),
    ...changeLines(review),
    ...reviewWarnings(review)
      .filter((warning) => !shared.includes(warning))
      .map((warning) => entry('WARNING', warning)),
  ];
  const head = `${proposalName(proposal)}  ${status.state}, ${shortDigest(digest)}`;
  return printable(`${head}\n${parts.join('')}`, true);
}

/** What nobody should have to add up over many pages, and where to look first. */
function togetherSummary(reviews: readonly Review[], shared: readonly string[]): string {
  const [{ decision } = { decision: 'Reject' as const }] = reviews;
  const known = reviews.flatMap(({ proposal, changes }) =>
    proposal.status === undefined ? [] : [{ proposal, status: proposal.status, changes }],
  );
  type Known = (typeof known)[number];
  const sum = (label: string, none: string, noun: string, count: (one: Known) => number) => {
    const some = known.filter((one) => count(one) > 0);
    const total = some.reduce((all, one) => all + count(one), 0);
    const where = some.map((one) => `${proposalName(one.proposal)}: ${count(one)}`);
    return list(label, total === 0 ? none : `${counted(total, noun)} in ${some.length} of ${known.length}`, where);
  };
  const grants = Map.groupBy(
    known.flatMap(({ proposal, status }) =>
      overGrantNames(status)
        .split(', ')
        .filter((grant) => grant !== 'none')
        .map((grant) => ({ grant, name: proposalName(proposal) })),
    ),
    ({ grant }) => grant,
  );
  const grantLines = [...grants].map(([grant, of]) =>
    of.length > namedProposals ? `${grant}: in ${of.length}` : `${grant}: ${of.map(({ name }) => name).join(', ')}`,
  );
  const lines = [
    ...(decision === 'Approve'
      ? [
          list('over-grants', grantLines.length === 0 ? 'none' : `${grantLines.length} kinds`, grantLines),
          sum('held back', 'none', 'connection', ({ status }) => status.heldBack.count),
          sum('would deny', 'nothing that was seen and not held back', 'connection', ({ status }) => unmeant(status)),
          sum('shadow', 'no live flow would be denied', 'live flow', ({ status }) => deniedLive(status)),
        ]
      : []),
    ...(decision === 'Reject' ? [] : [sum('opens', 'nothing', 'way', ({ changes: { opens } }) => opens.length)]),
    ...shared.map((warning) => entry('WARNING', warning)),
  ];
  return `all ${reviews.length} together\n${printable(lines.join(''), true)}`;
}

function unmeant({ proof: { wouldDeny }, heldBack }: ProposalStatus): number {
  return wouldDeny.count - wouldDeny.items.length + notAmong(wouldDeny, heldBack).length;
}

function deniedLive({ live, digest }: ProposalStatus): number {
  return live?.digest === digest ? live.wouldDeny : 0;
}

function approvalLines({ rules }: Review, status: ProposalStatus): string[] {
  const { approvals, live, proof, heldBack, omissions, attempts } = status;
  const given = approvals.given.map(({ user, identity }) => (identity === 'Claimed' ? `${user} (claimed)` : user));
  return [
    entry('closes', closesWords(status)),
    list('rules', counted(status.rules, 'rule'), rules),
    list('over-grants', overGrantNames(status), proof.overGrants),
    list('held back', items(heldBack.count, 'none'), groupedItems(heldBack.items)),
    ...(omissions.count === 0
      ? []
      : [list('no rule for', items(omissions.count, 'none'), groupedItems(omissions.items))]),
    ...(attempts.length === 0
      ? []
      : [list('lets pass', `${counted(attempts.length, 'attempt')} denied so far`, attempts.map(connectionIdWords))]),
    wouldDenyLines(status),
    live === undefined || live.digest !== status.digest || live.judged === 0
      ? entry('shadow', 'not judged against live flows yet')
      : list('shadow', `${live.wouldDeny} of ${live.judged} live flows would be denied`, live.samples.map(itemLine)),
    entry('approvals', `${given.length} of ${approvals.required}${given.length > 0 ? `: ${given.join(', ')}` : ''}`),
  ];
}

function rollbackLines(status: ProposalStatus): string[] {
  const [former] = status.revisions;
  const target =
    former === undefined || former.policies === ''
      ? 'no policy of nanoseg'
      : `revision ${former.revision} of ${former.appliedAt}, approved by ${former.approvedBy.join(', ')}`;
  return [entry('back to', target)];
}

function changeLines({ changes, decision, proposal }: Review): string[] {
  if (decision === 'Reject') return [];
  const { opens, denies, uncertain, incomplete } = changes;
  const isNew = decision === 'Approve' && proposal.status?.change === 'New';
  const none = incomplete === undefined ? 'nothing' : 'not known';
  return [
    list('opens', opens.length === 0 ? none : `${opens.length}`, opens),
    // of the first policies for a workload the number of pairs says more than a list of nearly all of them
    ...(isNew || denies.length === 0 ? [] : [list('denies', `${denies.length}`, denies)]),
    // what is not known for certain any more was open before the first policies
    ...(isNew || uncertain.length === 0 ? [] : [list('uncertain', `${uncertain.length}`, uncertain)]),
    ...(incomplete === undefined ? [] : [entry('not known', `all that opens: ${incomplete}`)]),
  ];
}

/** What was held back is denied by intention, and stands above. */
function wouldDenyLines({ proof: { wouldDeny }, heldBack }: ProposalStatus): string {
  const others = notAmong(wouldDeny, heldBack);
  const meant = others.length === 0 && wouldDeny.items.length > 0;
  const note = meant ? ', held back' : '';
  return list('would deny', `${items(wouldDeny.count, 'nothing that was seen')}${note}`, groupedItems(others));
}

function items(count: number, none: string): string {
  return count === 0 ? none : counted(count, 'connection');
}

function entry(label: string, text: string): string {
  return `  ${label.padEnd(12)}${text}\n`;
}

function list(label: string, text: string, lines: readonly string[]): string {
  const shown = lines.slice(0, listed).map((line) => `${' '.repeat(16)}${line}\n`);
  const rest = lines.length - shown.length;
  return entry(label, text) + shown.join('') + (rest > 0 ? `${' '.repeat(16)}and ${rest} more: nanoseg show\n` : '');
}
