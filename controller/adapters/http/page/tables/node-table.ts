import { el } from '../dom.ts';
import type { PageControl } from '../page-control.ts';
import type { PageState } from '../page-state.ts';
import { printable } from '../printable.ts';
import { proposalMark, stateMark } from '../state-mark.ts';
import { Grid } from './grid.ts';
import { type NodeRow, nodeRows } from './node-rows.ts';

/** Who there is: the nodes of the picture, as a table. */
export class NodeTable {
  readonly #grid: Grid<NodeRow>;
  readonly #control: PageControl;
  count = 0;

  constructor(state: PageState, control: PageControl) {
    this.#control = control;
    this.#grid = new Grid<NodeRow>({
      label: 'Workloads',
      columns: [
        {
          title: 'Namespace',
          width: 'minmax(90px, 1fr)',
          cell: ({ node }) => printable(node.attributes.namespace) || '–',
          sortBy: ({ node }) => node.attributes.namespace,
        },
        {
          title: 'Name',
          width: 'minmax(130px, 2fr)',
          cell: ({ node }) => el('span', { class: 'strong' }, printable(node.attributes.label)),
          sortBy: ({ node }) => node.attributes.label,
        },
        { title: 'Kind', width: '105px', cell: kindWords, sortBy: kindWords },
        {
          title: 'Proposal',
          width: '110px',
          cell: ({ node: { attributes } }) => (attributes.proposal ? proposalMark(attributes.proposal.state) : '–'),
          sortBy: ({ node }) => node.attributes.proposal?.state ?? '',
        },
        { title: 'Talks to', width: '75px', isNumber: true, cell: ({ to }) => `${to}`, sortBy: ({ to }) => to },
        { title: 'Heard by', width: '75px', isNumber: true, cell: ({ from }) => `${from}`, sortBy: ({ from }) => from },
        {
          title: 'Most urgent',
          width: '140px',
          cell: ({ state: urgent }) => (urgent === undefined ? '–' : stateMark(urgent)),
          sortBy: ({ state: urgent }) => urgent ?? '',
        },
      ],
      none: 'Nobody fits the filters.',
      key: ({ node }) => node.key,
      pick: ({ node }) => control.select({ kind: 'node', key: node.key }),
    });
    state.watch(['displayed'], () => this.#update());
    state.watch(['selection'], ({ selection }) => {
      this.#grid.select(selection?.kind === 'node' ? selection.key : undefined);
    });
  }

  get element(): HTMLElement {
    return this.#grid.frame;
  }

  #update(): void {
    const rows = nodeRows(this.#control.told.nodes, this.#control.told.edges);
    this.count = rows.length;
    this.#grid.set(rows);
  }
}

function kindWords({ node: { attributes } }: NodeRow): string {
  return attributes.kind === 'workload' ? attributes.of : attributes.kind;
}
