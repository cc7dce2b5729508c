import type { GraphEdge } from '../../../../view/graph-shape.ts';
import { el } from '../dom.ts';
import { statesByUrgency } from '../drawing/state-looks.ts';
import type { PageControl } from '../page-control.ts';
import type { PageState } from '../page-state.ts';
import { printable } from '../printable.ts';
import { stateMark } from '../state-mark.ts';
import { ago } from '../time-words.ts';
import { Grid } from './grid.ts';

/** Who talks to whom: the edges of the graph, as a table; choosing one shows its connections with their evidence. */
export class PairTable {
  readonly #grid: Grid<GraphEdge>;
  readonly #control: PageControl;
  count = 0;

  constructor(state: PageState, control: PageControl) {
    this.#control = control;
    this.#grid = new Grid<GraphEdge>({
      label: 'Connections',
      columns: [
        {
          title: 'From',
          width: 'minmax(120px, 2fr)',
          cell: ({ source }) => this.#side(source),
          sortBy: ({ source }) => this.#words(source).join('/'),
        },
        {
          title: 'To',
          width: 'minmax(120px, 2fr)',
          cell: ({ target }) => this.#side(target),
          sortBy: ({ target }) => this.#words(target).join('/'),
        },
        { title: 'Ports', width: 'minmax(90px, 1.2fr)', cell: ({ attributes }) => printable(attributes.ports) },
        {
          title: 'State',
          width: '135px',
          cell: ({ attributes }) => stateMark(attributes.state),
          sortBy: ({ attributes }) => statesByUrgency.indexOf(attributes.state),
        },
        {
          title: 'Passed',
          width: '64px',
          isNumber: true,
          cell: ({ attributes }) => attributes.passed.toLocaleString('en'),
          sortBy: ({ attributes }) => attributes.passed,
        },
        {
          title: 'Denied',
          width: '64px',
          isNumber: true,
          cell: ({ attributes }) => attributes.denied.toLocaleString('en'),
          sortBy: ({ attributes }) => attributes.denied,
        },
        {
          title: 'Seen',
          width: '52px',
          isNumber: true,
          cell: ({ attributes: { lastSeen } }) => (lastSeen === undefined ? 'never' : ago(lastSeen, Date.now())),
          sortBy: ({ attributes }) => attributes.lastSeen ?? '',
        },
      ],
      none: 'No connection fits the filters.',
      key: ({ source, target }) => `${source} ${target}`,
      pick: ({ source, target }) => control.select({ kind: 'edge', source, target }),
    });
    state.watch(['displayed'], () => this.#update());
    state.watch(['selection'], ({ selection }) => {
      this.#grid.select(selection?.kind === 'edge' ? `${selection.source} ${selection.target}` : undefined);
    });
  }

  get element(): HTMLElement {
    return this.#grid.frame;
  }

  #update(): void {
    const edges = [...this.#control.told.edges].map((edge) => ({
      edge,
      // what needs a person's eyes comes first
      order: `${statesByUrgency.indexOf(edge.attributes.state)} ${this.#words(edge.source).join('/')} ${this.#words(edge.target).join('/')}`,
    }));
    edges.sort((a, b) => (a.order < b.order ? -1 : 1));
    this.count = edges.length;
    this.#grid.set(edges.map(({ edge }) => edge));
  }

  /** Namespace, empty where there is none, and name. */
  #words(key: string): readonly [string, string] {
    const { attributes } = this.#control.told.node(key) ?? {};
    if (attributes === undefined) return ['', key];
    return [attributes.kind === 'namespace' ? '' : attributes.namespace, attributes.label];
  }

  #side(key: string): HTMLElement {
    const [namespace, name] = this.#words(key);
    const shown = printable(name);
    return el(
      'span',
      { title: namespace === '' ? shown : `${printable(namespace)}/${shown}` },
      namespace !== '' && el('span', { class: 'quiet' }, `${printable(namespace)}/`),
      el('span', { class: 'strong' }, shown),
    );
  }
}
