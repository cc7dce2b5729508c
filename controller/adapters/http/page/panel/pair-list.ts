import type { GraphEdge } from '../../../../view/graph-shape.ts';
import { el } from '../dom.ts';
import type { PageControl } from '../page-control.ts';
import { printable } from '../printable.ts';
import { stateMark, stateSwatch } from '../state-mark.ts';

const listed = 60;

/** Edges as a list to choose from, the first of many. */
export function pairList(
  edges: readonly GraphEdge[],
  nameOf: (key: string) => string,
  control: PageControl,
  end?: 'source' | 'target',
): HTMLElement {
  const items = edges.slice(0, listed).map((edge) => {
    const { source, target, attributes } = edge;
    const name = end === undefined ? `${nameOf(source)} → ${nameOf(target)}` : nameOf(edge[end]);
    return el(
      'li',
      {},
      el(
        'button',
        {
          type: 'button',
          id: `pair-${source}-${target}`,
          class: 'peer',
          onclick: () => control.select({ kind: 'edge', source, target }),
        },
        stateSwatch(attributes.state),
        el(
          'span',
          { class: 'peer-words' },
          el('span', { class: 'strong' }, printable(name)),
          el('span', { class: 'quiet' }, printable(attributes.ports)),
        ),
        attributes.state === 'seen' ? el('span', { class: 'unseen' }, 'seen') : stateMark(attributes.state),
      ),
    );
  });
  const more = edges.length - items.length;
  return el(
    'ul',
    { class: 'peers' },
    ...items,
    more > 0 && el('li', { class: 'quiet' }, `and ${more} more: see the table`),
  );
}
