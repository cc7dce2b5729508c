import type { ProposalDetail, ProposalEffect } from '../../../../view/proposal-shape.ts';
import { el } from '../dom.ts';
import { type Fate, fateOf, fateStates, fateWords, fates } from '../drawing/effect-graph.ts';
import type { PageControl } from '../page-control.ts';
import type { OverlayMode } from '../page-state.ts';
import { printable } from '../printable.ts';
import { proposalMark, stateSwatch } from '../state-mark.ts';
import { tabs } from '../tabs.ts';
import { counted, moment } from '../time-words.ts';
import { diffView, yamlView } from './code-view.ts';
import { facts, section, wordList } from './section.ts';
import type { WholeLists } from './whole-lists.ts';

/** What stays as it was when a proposal is drawn anew. */
export interface ReviewMemory {
  tab: string;
  readonly lists: WholeLists;
}

/** Everything that a reviewer asks of a proposal, and the decision at its end. */
export function proposalDetail(
  proposal: ProposalDetail,
  effect: ProposalEffect | undefined,
  overlay: OverlayMode,
  control: PageControl,
  decision: HTMLElement,
  memory: ReviewMemory,
): HTMLElement {
  const bar = tabs(
    'Parts of the proposal',
    'proposal',
    [
      { name: 'rules', title: 'Rules', content: rulesPart(proposal) },
      { name: 'effect', title: 'Effect', content: effectPart(proposal, effect) },
      { name: 'evidence', title: 'Evidence', content: evidencePart(proposal, memory.lists.about(proposal)) },
      { name: 'diff', title: 'Diff', content: diffPart(proposal) },
      { name: 'yaml', title: 'YAML', content: yamlPart(proposal) },
    ],
    memory.tab,
    (name) => {
      memory.tab = name;
    },
  );
  return el(
    'article',
    { class: 'proposal' },
    summaryPart(proposal),
    overlaySwitch(overlay, effect, control),
    bar.element,
    ...bar.panels,
    decision,
  );
}

function summaryPart(proposal: ProposalDetail): HTMLElement {
  const { state, message, digest, closes, coverage, approvals, inForce, warnings, missing, mode, author, overGrants } =
    proposal;
  return el(
    'div',
    { class: 'summary' },
    el('div', { class: 'summary-state' }, proposalMark(state), el('span', {}, printable(message))),
    ...warnings.map((warning) => el('p', { class: 'warning' }, printable(warning))),
    facts([
      ['Digest', el('code', { class: 'digest', title: digest }, digest)],
      ['Closes', closes],
      ['Coverage', coverage],
      missing.length > 0 ? ['Missing', missing.map((item) => item.message).join('; ')] : undefined,
      ['Over-grants', overGrants],
      ['Approvals', approvals.rule ?? `${approvals.given} of ${approvals.required} needed`],
      [
        'In force',
        inForce === null ? 'no policy of nanoseg' : `revision ${inForce.revision}, since ${moment(inForce.appliedAt)}`,
      ],
      ['Mode', mode],
      author === 'edited' ? ['Written by', 'nanoseg, and edited by a person afterwards'] : undefined,
    ]),
  );
}

const overlays: readonly { readonly mode: OverlayMode; readonly title: string }[] = [
  { mode: 'off', title: 'Seen' },
  { mode: 'before', title: 'Before' },
  { mode: 'after', title: 'After' },
  { mode: 'both', title: 'Changes' },
];

function overlaySwitch(overlay: OverlayMode, effect: ProposalEffect | undefined, control: PageControl): HTMLElement {
  const buttons = overlays.map(({ mode, title }) =>
    el(
      'button',
      {
        type: 'button',
        id: `overlay-${mode}`,
        class: 'segment',
        'aria-pressed': `${overlay === mode}`,
        disabled: effect === undefined && mode !== 'off',
        onclick: () => control.overlay(mode),
      },
      title,
    ),
  );
  return el(
    'div',
    { class: 'overlay-switch' },
    el('span', { class: 'quiet' }, 'Picture'),
    el('div', { class: 'segments', role: 'group', 'aria-label': 'The picture shows' }, ...buttons),
  );
}

function rulesPart(proposal: ProposalDetail): HTMLElement {
  const { rulesInWords, proof, notes, drift, deviationsInWords, conditions } = proposal;
  return el(
    'div',
    {},
    section(`Rules (${rulesInWords.length})`, wordList('rules', rulesInWords, 'rules')) ??
      el('p', { class: 'panel-note' }, 'No rule: all traffic is denied.'),
    section('Over-grants: allowed beyond the evidence', wordList('over-grants', proof.overGrants)),
    section(
      proof.valid ? 'Proof: valid' : 'Proof: NOT valid, nothing can approve it',
      el(
        'ul',
        { class: 'checks' },
        ...proof.checks.map(({ name, passed, message }) =>
          el(
            'li',
            { class: passed ? 'passed' : 'failed' },
            el('span', { class: 'glyph', 'aria-hidden': 'true' }, passed ? '✓' : '×'),
            el('span', { class: 'strong' }, `${passed ? 'passed' : 'FAILED'} ${name}`),
            el('span', { class: 'quiet' }, printable(message)),
          ),
        ),
      ),
    ),
    section('Drift', drift !== null && el('p', { class: 'warning' }, printable(drift))),
    section(`Deviations (${deviationsInWords.length})`, wordList('deviations', deviationsInWords)),
    section('Notes', wordList('notes', notes)),
    section(
      'Conditions',
      conditions.length > 0 &&
        el(
          'ul',
          { class: 'words' },
          ...conditions.map(({ type, status, message }) => el('li', {}, `${type} ${status}: ${printable(message)}`)),
        ),
    ),
  );
}

function effectPart({ effect: words }: ProposalDetail, effect: ProposalEffect | undefined): HTMLElement {
  const counts = new Map<Fate, number>();
  for (const edge of effect?.edges ?? []) counts.set(fateOf(edge), (counts.get(fateOf(edge)) ?? 0) + 1);
  if (effect !== undefined) counts.set('closes-unused', effect.closesUnused);
  const legend = fates.flatMap((fate) => {
    const count = counts.get(fate) ?? 0;
    return count === 0
      ? []
      : [el('li', {}, stateSwatch(fateStates[fate]), el('span', {}, `${fateWords[fate]}: ${counted(count, 'pair')}`))];
  });
  return el(
    'div',
    {},
    section('Pairs that it is about', legend.length > 0 && el('ul', { class: 'fates' }, ...legend)),
    section(`Opens (${words.opens.length})`, wordList('opens', words.opens) ?? 'nothing'),
    section(`Denies (${words.denies.length})`, wordList('denies', words.denies) ?? 'nothing'),
    section(`Uncertain (${words.uncertain.length})`, wordList('uncertain', words.uncertain)),
    words.incomplete !== null && el('p', { class: 'warning' }, `This is not all of it: ${printable(words.incomplete)}`),
  );
}

function evidencePart(proposal: ProposalDetail, lists: WholeLists): HTMLElement {
  const { evidence, heldBackInWords, omissions, wouldDeny, attempts, shadow, shadowSamples } = proposal;
  return el(
    'div',
    {},
    section(
      `Evidence (${counted(evidence.count, 'connection')})`,
      wordList('evidence', evidence.items) ?? 'none',
      evidence.count > evidence.said &&
        el(
          'p',
          { class: 'quiet' },
          `${counted(evidence.count - evidence.said, 'more connection')}: nanoseg show -o json lists them all`,
        ),
    ),
    section(
      `Held back: suspicious, not learned until the profile accepts it (${heldBackInWords.count})`,
      lists.of('held-back', heldBackInWords),
    ),
    section(`Would deny, of what was seen (${wouldDeny.count})`, lists.of('would-deny', wouldDeny) ?? 'nothing'),
    section(`Seen, but no rule is written for it (${omissions.count})`, lists.of('omissions', omissions)),
    section(`Denied attempts that it would let pass (${attempts.length})`, wordList('attempts', attempts)),
    section(
      'Shadow: judged against live flows',
      shadow === null
        ? 'no live flow was judged yet'
        : `${shadow.wouldDeny} of ${counted(shadow.judged, 'flow')} would be denied`,
      wordList('shadow', shadowSamples),
    ),
  );
}

function diffPart({ diff }: ProposalDetail): HTMLElement {
  return el(
    'div',
    {},
    el('p', { class: 'quiet code-note' }, `from ${printable(diff.from)} to ${printable(diff.to)}`),
    diff.text === '' ? el('p', { class: 'panel-note' }, 'It is what is in force.') : diffView(diff.text),
  );
}

function yamlPart({ policies, revisions }: ProposalDetail): HTMLElement {
  return el(
    'div',
    {},
    policies === '' ? el('p', { class: 'panel-note' }, 'Empty: nanoseg will write its own again.') : yamlView(policies),
    section(
      'Revisions',
      wordList(
        'revisions',
        revisions.map(({ revision, appliedAt, approvedBy, policies: text }) =>
          text === ''
            ? `${revision}: no policy of nanoseg`
            : `${revision}: ${moment(appliedAt)}${approvedBy.length > 0 ? `, by ${approvedBy.join(', ')}` : ''}`,
        ),
      ),
    ),
  );
}
