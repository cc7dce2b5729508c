import type { DecisionInput, DecisionPath, ProposalDetail, TakingBack } from '../../../../view/proposal-shape.ts';
import { el } from '../dom.ts';
import { printable } from '../printable.ts';
import { counted, moment } from '../time-words.ts';
import { diffView } from './code-view.ts';
import { facts, section, wordList } from './section.ts';

/** What a person is asked before something is decided. */
export interface DecisionQuestion {
  readonly about: readonly (HTMLElement | undefined | false)[];
  readonly confirm: string;
  /** What they have to say that they know; undefined: nothing. */
  readonly mustKnow: string | undefined;
  /** What they cannot decide about; undefined: they can. */
  readonly impossible: string | undefined;
  readonly input: Pick<DecisionInput, 'digest' | 'learning'>;
}

export const decisionTitles: Readonly<Record<DecisionPath, string>> = {
  approve: 'Approve',
  reject: 'Reject',
  rollback: 'Roll back',
  retire: 'Retire',
};

export function proposedQuestion(proposal: ProposalDetail, path: 'approve' | 'reject'): DecisionQuestion {
  const { digest, rules, closes, effect, wouldDeny, heldBackInWords, warnings, approvals, missing } = proposal;
  const isApproval = path === 'approve';
  const isLearning = isApproval && proposal.state === 'Learning';
  const heldBack = heldBackInWords.count > 0 ? ` (${heldBackInWords.count} held back)` : '';
  return {
    about: [
      facts([
        ['Digest', digestText(digest)],
        ['Pods concerned', podsConcerned(proposal)],
        ['Rules', `${rules}`],
        isApproval ? ['Closes', closes] : undefined,
        isApproval ? ['Would deny', `${wouldDeny.count} of what was seen${heldBack}`] : undefined,
        isApproval ? ['Approvals', `${approvals.given} of ${approvals.required} given before yours`] : undefined,
      ]),
      ...(isApproval ? warningLines(warnings) : []),
      isApproval && section(`Opens (${effect.opens.length})`, wordList('decide-opens', effect.opens)),
    ],
    confirm: `${decisionTitles[path]} this digest`,
    mustKnow: isLearning
      ? `I know that not enough was seen: ${missing.map(({ message }) => message).join('; ')}`
      : undefined,
    impossible: undefined,
    input: { digest, ...(isLearning && { learning: true }) },
  };
}

export function takingBackQuestion(proposal: ProposalDetail, found: TakingBack): DecisionQuestion {
  const { decision, inForce, comesBack, rulesInWords, diff, effect, warnings, approvals, because } = found;
  const { opens, denies, uncertain, incomplete } = effect;
  const isRollback = decision === 'Rollback';
  return {
    about: [
      facts([
        ['In force', inForce === null ? 'no policy of nanoseg' : revisionWords(inForce)],
        ['Digest', digestText(found.digest ?? '')],
        [isRollback ? 'Comes back' : 'Is left', comesBack === null ? 'no policy of nanoseg' : revisionWords(comesBack)],
        ['Pods concerned', podsConcerned(proposal)],
        isRollback
          ? undefined
          : ['Approvers', `${approvals.given.length} of ${approvals.required} decided so before you`],
      ]),
      ...warningLines(warnings),
      section(`Opens (${opens.length})`, wordList('back-opens', opens) ?? 'nothing'),
      section(`Denies (${denies.length})`, wordList('back-denies', denies)),
      section(`Uncertain (${uncertain.length})`, wordList('back-uncertain', uncertain)),
      ...(incomplete === null ? [] : warningLines([`this is not all of it: ${incomplete}`])),
      section(`Rules that come back (${rulesInWords.length})`, wordList('back-rules', rulesInWords)),
      el(
        'details',
        { id: 'back-diff' },
        el('summary', {}, `Difference, from ${printable(diff.from)} to ${printable(diff.to)}`),
        diffView(diff.text, 'back-diff'),
      ),
    ],
    confirm: isRollback ? `Roll back revision ${inForce?.revision ?? ''}` : 'Remove its policies',
    mustKnow:
      opens.length > 0 || incomplete !== null
        ? `I know that this opens the network${opens.length > 0 ? `: ${counted(opens.length, 'way', 'ways')} more to talk` : ''}`
        : undefined,
    impossible: because ?? undefined,
    input: { digest: found.digest ?? '' },
  };
}

function podsConcerned({ namespace, workloads }: ProposalDetail): string {
  return workloads.length === 0
    ? `all pods of namespace ${namespace} that no other policy selects`
    : `all pods of ${workloads.map((workload) => `${namespace}/${workload}`).join(', ')}`;
}

function revisionWords({ revision, appliedAt, approvedBy }: NonNullable<TakingBack['inForce']>): string {
  const by = approvedBy.length > 0 ? `, approved by ${approvedBy.join(', ')}` : '';
  return `revision ${revision} of ${moment(appliedAt)}${by}`;
}

function digestText(digest: string): HTMLElement {
  return el('code', { class: 'digest' }, digest);
}

function warningLines(warnings: readonly string[]): HTMLElement[] {
  return warnings.map((warning) => el('p', { class: 'warning' }, printable(warning)));
}
