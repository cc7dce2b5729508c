import type { ConnectionState } from '../../../../view/graph-shape.ts';
import type { GraphFilter } from '../client/api-client.ts';
import { el, fill } from '../dom.ts';
import { stateLooks, statesByUrgency } from '../drawing/state-looks.ts';
import type { PageControl } from '../page-control.ts';
import { isFiltered, noFilter, type PageState } from '../page-state.ts';
import { printable } from '../printable.ts';
import { stateSwatch } from '../state-mark.ts';

const hourMs = 3_600_000;
const windows: Readonly<Record<string, number>> = {
  hour: hourMs,
  day: 24 * hourMs,
  week: 168 * hourMs,
  month: 720 * hourMs,
};

/** What of the graph is shown. The states are the picture's legend at the same time. */
export function showFilters(container: HTMLElement, state: PageState, control: PageControl): void {
  const namespace = el('select', {
    id: 'filter-namespace',
    onchange: () => set({ namespaces: namespace.value === '' ? [] : [namespace.value] }),
  });
  const workload = el('input', {
    id: 'filter-workload',
    type: 'text',
    placeholder: 'any',
    autocomplete: 'off',
    spellcheck: 'false',
    list: 'workload-names',
    onchange: () => void control.filterWorkload(workload.value.trim()),
  });
  const names = el('datalist', { id: 'workload-names' });
  const protocol = el(
    'select',
    { id: 'filter-protocol', onchange: () => set({ protocol: protocol.value }) },
    el('option', { value: '' }, 'any'),
    ...['TCP', 'UDP', 'SCTP', 'ICMP'].map((name) => el('option', { value: name }, name)),
  );
  const [since, until] = ['since', 'until'].map((name) =>
    el('input', {
      type: 'datetime-local',
      id: `filter-${name}`,
      'aria-label': `Seen ${name}, in UTC`,
      onchange: () => custom(),
    }),
  ) as [HTMLInputElement, HTMLInputElement];
  const range = el('span', { class: 'range', hidden: true }, since, el('span', { 'aria-hidden': 'true' }, '–'), until);
  const time = el(
    'select',
    { id: 'filter-time', onchange: () => chooseTime() },
    el('option', { value: '' }, 'any time'),
    el('option', { value: 'hour' }, 'last hour'),
    el('option', { value: 'day' }, 'last 24 hours'),
    el('option', { value: 'week' }, 'last 7 days'),
    el('option', { value: 'month' }, 'last 30 days'),
    el('option', { value: 'custom' }, 'from … to …'),
  );
  const clear = el('button', { type: 'button', class: 'quiet-button', onclick: () => set(noFilter) }, 'Clear filters');
  const states = statesByUrgency.map((name) => stateChip(name, state, (chosen) => set({ states: chosen })));

  const set = (change: Partial<GraphFilter>) => control.filter(change);
  const custom = () => set({ since: isoOf(since.value), until: isoOf(until.value) });
  const chooseTime = () => {
    range.hidden = time.value !== 'custom';
    const windowMs = windows[time.value];
    if (windowMs !== undefined) set({ since: new Date(Date.now() - windowMs).toISOString(), until: '' });
    else if (time.value === '') set({ since: '', until: '' });
    else since.focus();
  };
  fill(
    container,
    el(
      'div',
      { class: 'filter-fields' },
      field('Namespace', namespace),
      field('Workload', workload),
      names,
      field('Protocol', protocol),
      field('Seen', time),
      range,
      clear,
    ),
    el('div', { class: 'legend', role: 'group', 'aria-label': 'States of connections' }, ...states),
  );
  state.watch(['session'], ({ session }) => {
    const known = session?.namespaces.map(({ name }) => name) ?? [];
    const { value } = namespace;
    fill(
      namespace,
      el('option', { value: '' }, 'all'),
      ...known.map((name) => el('option', { value: name }, printable(name))),
    );
    namespace.value = value;
  });
  state.watch(['displayed'], () => {
    const found = [...control.told.nodes].flatMap(({ key, attributes }) =>
      attributes.kind === 'workload' ? [el('option', { value: key.slice('workload:'.length) })] : [],
    );
    fill(names, ...found.slice(0, 500));
  });
  state.watch(['filter'], ({ filter }) => {
    namespace.value = filter.namespaces[0] ?? '';
    workload.value = filter.workload;
    protocol.value = filter.protocol;
    if (filter.since === '' && filter.until === '' && time.value !== 'custom') time.value = '';
    if (filter === noFilter || !isFiltered(filter)) {
      time.value = range.contains(document.activeElement) ? 'custom' : '';
      range.hidden = time.value !== 'custom';
    }
    clear.hidden = !isFiltered(filter);
  });
}

function field(label: string, input: HTMLElement): HTMLElement {
  return el('div', { class: 'field' }, el('label', { for: input.id }, label), input);
}

function stateChip(
  name: ConnectionState,
  state: PageState,
  choose: (states: readonly ConnectionState[]) => void,
): HTMLElement {
  const { label, meaning } = stateLooks[name];
  const chip = el(
    'button',
    {
      type: 'button',
      class: 'chip',
      title: meaning,
      'data-state': name,
      onclick: () => {
        const { states } = state.now.filter;
        choose(states.includes(name) ? states.filter((other) => other !== name) : [...states, name]);
      },
    },
    stateSwatch(name),
    label,
  );
  state.watch(['filter'], ({ filter: { states } }) => {
    chip.setAttribute('aria-pressed', `${states.includes(name)}`);
    chip.classList.toggle('off', states.length > 0 && !states.includes(name));
  });
  return chip;
}

/** What a person wrote, taken for UTC, as all times of nanoseg are. */
function isoOf(local: string): string {
  const time = new Date(`${local}Z`);
  return Number.isNaN(time.getTime()) ? '' : time.toISOString();
}
