import { el } from '../dom.ts';
import { printable } from '../printable.ts';

/** A part of the panel with a heading; nothing where there is nothing to say. */
export function section(
  title: string,
  ...content: readonly (Node | string | undefined | false)[]
): HTMLElement | undefined {
  const there = content.filter((each) => each !== undefined && each !== false);
  if (there.length === 0) return undefined;
  return el('section', { class: 'part' }, el('h3', {}, title), ...there);
}

const listed = 8;

/** Lines of words; of many the first ones, the others on demand. `id` is unique on the page. */
export function wordList(id: string, lines: readonly string[], kind = ''): HTMLElement | undefined {
  if (lines.length === 0) return undefined;
  const item = (line: string) => el('li', {}, printable(line));
  const first = el('ul', { class: `words ${kind}` }, ...lines.slice(0, listed).map(item));
  const rest = lines.slice(listed);
  if (rest.length === 0) return first;
  return el(
    'div',
    {},
    first,
    el(
      'details',
      { id: `${id}-more` },
      el('summary', {}, `and ${rest.length.toLocaleString('en')} more`),
      el('ul', { class: `words ${kind}` }, ...rest.map(item)),
    ),
  );
}

/** Terms and what they are. */
export function facts(pairs: readonly (readonly [string, Node | string] | undefined)[]): HTMLElement {
  const rows = pairs.flatMap((pair) =>
    pair === undefined
      ? []
      : [
          el(
            'div',
            {},
            el('dt', {}, pair[0]),
            el('dd', {}, typeof pair[1] === 'string' ? printable(pair[1]) : pair[1]),
          ),
        ],
  );
  return el('dl', { class: 'facts-list' }, ...rows);
}
