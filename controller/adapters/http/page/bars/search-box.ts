import { el, fill } from '../dom.ts';
import type { PageControl } from '../page-control.ts';
import { printable } from '../printable.ts';

interface Hit {
  readonly key: string;
  readonly label: string;
  readonly detail: string;
  readonly pick: () => void;
}

const mostHits = 12;

/** Finds nodes and proposals by a part of their names; a combobox as ARIA describes it. */
export function searchBox(control: PageControl): HTMLElement {
  let hits: readonly Hit[] = [];
  /** What was written when these were found. */
  let foundFor = '';
  let at = -1;
  const list = el('ul', { id: 'hits', role: 'listbox', class: 'hits', 'aria-label': 'Found', hidden: true });
  const input = el('input', {
    type: 'search',
    id: 'search',
    placeholder: 'Search workloads, namespaces, addresses',
    autocomplete: 'off',
    spellcheck: 'false',
    role: 'combobox',
    'aria-label': 'Search',
    'aria-expanded': 'false',
    'aria-controls': 'hits',
    'aria-autocomplete': 'list',
  });
  const close = () => {
    list.hidden = true;
    input.setAttribute('aria-expanded', 'false');
    input.removeAttribute('aria-activedescendant');
  };
  const choose = (hit: Hit) => {
    close();
    input.value = '';
    hit.pick();
  };
  const mark = () => {
    for (const [i, option] of [...list.children].entries()) option.setAttribute('aria-selected', `${i === at}`);
    const option = list.children[at];
    if (option === undefined) return input.removeAttribute('aria-activedescendant');
    input.setAttribute('aria-activedescendant', option.id);
    option.scrollIntoView({ block: 'nearest' });
  };
  const update = async () => {
    const text = input.value.trim();
    if (text === '') return close();
    const found = await control.search(text, mostHits);
    // answers may come in another order
    if (input.value.trim() !== text) return;
    hits = found;
    foundFor = text;
    at = hits.length > 0 ? 0 : -1;
    const options = hits.map((hit, i) =>
      el(
        'li',
        { role: 'option', id: `hit-${i}`, onmousedown: (event: MouseEvent) => (event.preventDefault(), choose(hit)) },
        el('span', { class: 'strong' }, printable(hit.label)),
        el('span', { class: 'quiet' }, printable(hit.detail)),
      ),
    );
    fill(
      list,
      ...(options.length > 0
        ? options
        : [el('li', { role: 'option', 'aria-disabled': 'true' }, 'Nothing has this in its name')]),
    );
    list.hidden = false;
    input.setAttribute('aria-expanded', 'true');
    mark();
  };
  const isCurrent = () => !list.hidden && foundFor === input.value.trim();
  const chooseMarked = () => {
    const hit = isCurrent() ? hits[at] : undefined;
    if (hit !== undefined) choose(hit);
  };
  input.addEventListener('input', () => void update());
  input.addEventListener('blur', close);
  input.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') close();
    // who types faster than the server answers means the first that will be found
    else if (event.key === 'Enter') void (isCurrent() ? Promise.resolve() : update()).then(chooseMarked);
    else if (list.hidden || hits.length === 0) return;
    else if (event.key === 'ArrowDown') at = (at + 1) % hits.length;
    else if (event.key === 'ArrowUp') at = (at - 1 + hits.length) % hits.length;
    else return;
    event.preventDefault();
    if (!list.hidden) mark();
  });
  return el('div', { class: 'search-box', role: 'search' }, input, list);
}
