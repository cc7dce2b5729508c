import type { Announcer } from '../announcer.ts';
import { type ApiClient, ApiFailure } from '../client/api-client.ts';
import { isCutOff } from '../client/live-updates.ts';
import { el, fill } from '../dom.ts';
import type { PageControl } from '../page-control.ts';
import type { PageState, PageValues } from '../page-state.ts';
import { printable } from '../printable.ts';
import { DecideDialog } from './decide-dialog.ts';
import { decisionPart } from './decision-part.ts';
import { groupDetail, nodeDetail } from './node-detail.ts';
import { PairDetail } from './pair-detail.ts';
import { proposalDetail, type ReviewMemory } from './proposal-detail.ts';
import { ProposalList } from './proposal-list.ts';
import { showSignIn } from './sign-in.ts';
import { WholeLists } from './whole-lists.ts';

/** The panel beside the picture: the proposals, or details of what is selected. */
export function showPanel(
  panel: HTMLElement,
  api: ApiClient,
  state: PageState,
  control: PageControl,
  announcer: Announcer,
): void {
  const list = new ProposalList(state, control);
  const pairs = new PairDetail(api, state, control);
  const dialog = new DecideDialog(state, control.proposals);
  const wide = el(
    'button',
    { type: 'button', class: 'quiet-button', 'aria-pressed': 'false', onclick: () => widen() },
    'Wide',
  );
  const back = el('button', { type: 'button', class: 'quiet-button back', onclick: () => goBack() }, '← Proposals');
  const heading = el('h2', {}, 'Proposals');
  const head = el('div', { class: 'panel-head' }, back, heading, wide);
  const body = el('div', { class: 'panel-body' });
  fill(panel, head, body);
  document.body.append(dialog.element);
  showSignIn(state, control);

  const widen = () => {
    const isWide = document.body.classList.toggle('wide-panel');
    wide.setAttribute('aria-pressed', `${isWide}`);
  };
  const goBack = () => {
    control.select(undefined);
    panel.focus();
  };
  addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && !event.defaultPrevented && panel.contains(document.activeElement) && !back.hidden)
      goBack();
  });

  const retitle = (title: string) => {
    heading.textContent = title;
    heading.title = title;
  };
  let shown: string | undefined;
  let drawn = state.now;
  const memory: ReviewMemory = { tab: 'rules', lists: new WholeLists(control.proposals, announcer) };
  const show = (values: PageValues) => {
    const { selection } = values;
    const what = selection === undefined ? '' : JSON.stringify(selection);
    const title = panelTitle(values);
    back.hidden = selection === undefined;
    retitle(title);
    if (selection === undefined) {
      if (shown !== '') fill(body, list.element);
    } else if (selection.kind === 'edge') {
      if (shown !== what) fill(body, pairs.element);
      pairs.show(selection.source, selection.target);
    } else {
      // what is read of a proposal is not touched by what changes elsewhere
      if (
        shown === what &&
        selection.kind === 'proposal' &&
        drawn.detail === values.detail &&
        drawn.overlay === values.overlay
      )
        return;
      drawn = values;
      const content = contentOf(values, control, dialog, memory);
      if (shown === what) keepPlace(body, () => fill(body, content));
      else fill(body, content);
    }
    if (shown !== what) {
      body.scrollTop = 0;
      if (shown !== undefined && selection !== undefined) announcer.say(title);
    }
    shown = what;
  };
  state.watch(['selection', 'detail', 'displayed', 'overlay'], show);
  let wasCutOff = isCutOff(state.now.live);
  state.watch(['live'], ({ live, detail }) => {
    if (wasCutOff === isCutOff(live)) return;
    wasCutOff = isCutOff(live);
    const part = body.querySelector('footer.decision');
    if (part === null || detail === undefined || detail instanceof ApiFailure) return;
    keepPlace(body, () => part.replaceWith(decisionPart(detail.proposal, live, dialog)));
  });
  state.watch(['proposals'], (values) => retitle(panelTitle(values)));
}

function contentOf(values: PageValues, control: PageControl, dialog: DecideDialog, memory: ReviewMemory): HTMLElement {
  const { selection, detail } = values;
  switch (selection?.kind) {
    case 'proposal':
      if (detail === undefined) return el('p', { class: 'panel-note' }, 'Reading the proposal…');
      if (detail instanceof ApiFailure) return failure(detail, control);
      return proposalDetail(
        detail.proposal,
        detail.effect,
        values.overlay,
        control,
        decisionPart(detail.proposal, values.live, dialog),
        memory,
      );
    case 'node':
      return nodeDetail(selection.key, control);
    case 'group':
      return groupDetail(selection.key, values, control);
    case 'edge':
    case undefined:
      return el('div');
  }
}

function failure({ status, message }: ApiFailure, control: PageControl): HTMLElement {
  const title =
    status === 403 ? 'You may not see this' : status === 404 ? 'There is no such proposal' : 'It could not be read';
  return el(
    'div',
    { class: 'panel-note', role: 'alert' },
    el('h3', {}, title),
    el('p', {}, printable(message)),
    status === 0 && el('button', { type: 'button', class: 'button', onclick: () => control.retry() }, 'Try again'),
  );
}

function panelTitle({ selection, proposals, displayed }: PageValues): string {
  switch (selection?.kind) {
    case undefined:
      return 'Proposals';
    case 'proposal':
      return printable(proposals.get(`${selection.namespace}/${selection.name}`)?.title ?? selection.name);
    case 'node':
      return printable(displayed?.nodes.get(selection.key)?.label ?? selection.key.replace(/^\w+:/, ''));
    case 'group':
      return printable(displayed?.groups.get(selection.key)?.label ?? selection.key);
    case 'edge':
      return 'Connections of a pair';
  }
}

/** What is read, and what has the focus, stays where it is while the content becomes another. */
function keepPlace(body: HTMLElement, change: () => void): void {
  const { scrollTop } = body;
  const inner = [...body.querySelectorAll<HTMLElement>('[data-scroll]')].map(
    (each) => [each.dataset['scroll'], each.scrollTop, each.scrollLeft] as const,
  );
  const focused =
    document.activeElement instanceof HTMLElement && body.contains(document.activeElement)
      ? document.activeElement
      : null;
  const id = focused?.id ?? '';
  const open = new Set([...body.querySelectorAll<HTMLDetailsElement>('details[open]')].map(({ id: name }) => name));
  change();
  for (const details of body.querySelectorAll<HTMLDetailsElement>('details'))
    if (open.has(details.id)) details.open = true;
  body.scrollTop = scrollTop;
  for (const [name, top, left] of inner) {
    const same = body.querySelector<HTMLElement>(`[data-scroll="${name}"]`);
    same?.scrollTo({ top, left });
  }
  if (id !== '') document.getElementById(id)?.focus({ preventScroll: true });
}
