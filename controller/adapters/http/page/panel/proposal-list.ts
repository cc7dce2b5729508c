import type { ProposalSummary } from '../../../../view/proposal-shape.ts';
import { ApiFailure } from '../client/api-client.ts';
import { el, fill } from '../dom.ts';
import type { PageControl } from '../page-control.ts';
import { type PageState, type PageValues, proposalKey } from '../page-state.ts';
import { printable } from '../printable.ts';
import { proposalMark } from '../state-mark.ts';
import { VirtualRows } from '../tables/virtual-rows.ts';
import { counted } from '../time-words.ts';

const rowHeight = 92;

const kinds: readonly { readonly name: string; readonly has: (proposal: ProposalSummary) => boolean }[] = [
  { name: 'All', has: () => true },
  { name: 'Ready', has: ({ state }) => state === 'Ready' },
  { name: 'Learning', has: ({ state }) => state === 'Learning' || state === 'New' },
  { name: 'Enforced', has: ({ state }) => state === 'Enforced' || state === 'Approved' },
  { name: 'Others', has: ({ state }) => ['Rejected', 'Superseded', 'RolledBack', 'Invalid'].includes(state) },
];

/** All proposals by namespace and name: what each is about, how far it is, what is missing. */
export class ProposalList {
  readonly element: HTMLElement;
  readonly #rows: VirtualRows<ProposalSummary>;
  readonly #note = el('div', { class: 'panel-note' });
  readonly #kinds: HTMLElement;
  readonly #list: HTMLElement;
  #kind = kinds[0];

  constructor(state: PageState, control: PageControl) {
    this.#list = el('div', { class: 'proposal-rows', role: 'listbox', 'aria-label': 'Proposals' });
    const scroller = el('div', { class: 'proposal-scroll' }, this.#list);
    this.#kinds = el('div', { class: 'kinds', role: 'group', 'aria-label': 'Which proposals' });
    this.element = el('div', { class: 'proposal-list' }, this.#kinds, this.#note, scroller);
    this.#rows = new VirtualRows<ProposalSummary>(scroller, this.#list, {
      key: proposalKey,
      height: rowHeight,
      pick: ({ namespace, name }) => control.select({ kind: 'proposal', namespace, name }),
      render: (proposal, index) => proposalRow(proposal, index),
    });
    this.#kinds.append(
      ...kinds.map((kind) =>
        el(
          'button',
          { type: 'button', class: 'kind', onclick: () => ((this.#kind = kind), this.#update(state.now)) },
          kind.name,
        ),
      ),
    );
    state.watch(['proposals', 'proposalsState'], (values) => this.#update(values));
  }

  #update({ proposals, proposalsState }: PageValues): void {
    const all = [...proposals.values()].sort((a, b) => (a.title < b.title ? -1 : 1));
    const shown = all.filter((proposal) => this.#kind?.has(proposal));
    for (const [i, kind] of kinds.entries()) {
      const button = this.#kinds.children[i];
      button?.setAttribute('aria-pressed', `${kind === this.#kind}`);
      if (button !== undefined)
        fill(button, kind.name, el('span', { class: 'count' }, `${all.filter(kind.has).length}`));
    }
    this.#rows.set(shown);
    this.#list.hidden = shown.length === 0;
    this.#note.hidden = shown.length > 0;
    if (shown.length > 0) return;
    fill(this.#note, ...noteOf(proposalsState, all.length));
  }
}

function noteOf(proposalsState: PageValues['proposalsState'], count: number): (Node | string)[] {
  if (proposalsState === 'loading') return ['Reading the proposals…'];
  if (proposalsState instanceof ApiFailure) {
    return [el('h3', {}, 'The proposals could not be read'), el('p', {}, printable(proposalsState.message))];
  }
  if (count > 0) return ['None of the proposals is so.'];
  return [
    el('h3', {}, 'No proposals yet'),
    el('p', {}, 'nanoseg proposes policies for a workload as soon as traffic of it was seen.'),
  ];
}

function proposalRow(proposal: ProposalSummary, index: number): HTMLElement {
  const { title, state, message, missing, closes, overGrants, heldBack, deviations, coverage } = proposal;
  const slash = title.indexOf('/');
  const missed = missing.length > 0 ? `missing: ${missing.map((item) => item.message).join('; ')}` : message;
  const facts = [
    closes === '-' || closes === '' ? '' : `closes ${closes}`,
    state !== 'Learning' ? '' : `coverage ${coverage}`,
    heldBack === 0 ? '' : `${heldBack} held back`,
    overGrants === 'none' || overGrants === '' || overGrants === '-' ? '' : `over-grant: ${overGrants}`,
  ].filter((fact) => fact !== '');
  return el(
    'div',
    { role: 'option', class: 'proposal-row', 'aria-posinset': index + 1 },
    el(
      'div',
      { class: 'proposal-title' },
      el(
        'span',
        { class: 'proposal-name' },
        el('span', { class: 'quiet' }, printable(title.slice(0, slash + 1))),
        el('span', { class: 'strong' }, printable(title.slice(slash + 1))),
      ),
      deviations > 0 && el('span', { class: 'warn-tag' }, counted(deviations, 'deviation')),
      proposalMark(state),
    ),
    el('div', { class: 'proposal-message' }, printable(missed)),
    el('div', { class: 'proposal-facts quiet' }, printable(facts.join(' · '))),
  );
}
