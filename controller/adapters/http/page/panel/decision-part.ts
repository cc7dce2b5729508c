import type { DecisionPath, ProposalDetail } from '../../../../view/proposal-shape.ts';
import { isCutOff, type LiveState } from '../client/live-updates.ts';
import { el } from '../dom.ts';
import { printable } from '../printable.ts';
import type { DecideDialog } from './decide-dialog.ts';

interface Choice {
  readonly path: DecisionPath;
  readonly title: string;
  readonly kind: string;
}

const aboutProposed: readonly Choice[] = [
  { path: 'approve', title: 'Approve…', kind: 'primary' },
  { path: 'reject', title: 'Reject…', kind: 'danger' },
];
const aboutInForce: readonly Choice[] = [
  { path: 'rollback', title: 'Roll back…', kind: '' },
  { path: 'retire', title: 'Retire…', kind: 'danger' },
];

/** What was decided, and what can be: about what is proposed, and about what is in force of it. */
export function decisionPart(proposal: ProposalDetail, live: LiveState, dialog: DecideDialog): HTMLElement {
  const { given, ignored, inForce, digest } = proposal;
  const isWhatIsInForce = inForce?.digest === digest;
  const givenBy = given.map(({ user, identity }) => `${printable(user)}${identity === 'Claimed' ? ' (claimed)' : ''}`);
  return el(
    'footer',
    { class: 'decision' },
    givenBy.length > 0 && el('p', { class: 'quiet' }, `given by ${givenBy.join(', ')}`),
    ...ignored.map(({ because }) => el('p', { class: 'quiet' }, `ignored: ${printable(because)}`)),
    isWhatIsInForce
      ? el('p', { class: 'quiet' }, `What is proposed is in force as it is, as revision ${inForce.revision}.`)
      : choices(proposal, live, dialog, aboutProposed),
    inForce !== null && !isWhatIsInForce && el('p', { class: 'quiet' }, `Revision ${inForce.revision} is in force:`),
    inForce !== null && choices(proposal, live, dialog, aboutInForce),
  );
}

function choices(
  proposal: ProposalDetail,
  live: LiveState,
  dialog: DecideDialog,
  offered: readonly Choice[],
): HTMLElement {
  const cutOff = isCutOff(live) ? 'nothing can be decided until nanoseg answers again' : null;
  const whyNot = (path: DecisionPath) => cutOff ?? proposal.decisions[path].because;
  const reasons = Map.groupBy(
    offered.filter(({ path }) => whyNot(path) !== null),
    ({ path }) => whyNot(path) ?? '',
  );
  const reasonOf = (path: DecisionPath) =>
    `${offered.find((each) => whyNot(each.path) === whyNot(path))?.path}-because`;
  return el(
    'div',
    {},
    el(
      'div',
      { class: 'decision-buttons' },
      ...offered.map(({ path, title, kind }) => {
        const isPossible = whyNot(path) === null;
        return el(
          'button',
          {
            type: 'button',
            id: `${path}-button`,
            class: `button ${kind}`,
            // it can be reached, so that its reason is heard
            'aria-disabled': isPossible ? undefined : 'true',
            'aria-describedby': isPossible ? undefined : reasonOf(path),
            onclick: () => isPossible && dialog.open(proposal, path),
          },
          title,
        );
      }),
    ),
    ...[...reasons].map(([because, of]) =>
      el(
        'p',
        { class: 'because', id: `${of[0]?.path}-because` },
        of.length === offered.length
          ? printable(because)
          : `${of.map(({ title }) => title.replace('…', '')).join(', ')}: ${printable(because)}`,
      ),
    ),
  );
}
