import { el, fill } from '../dom.ts';
import type { PageControl } from '../page-control.ts';
import type { PageState } from '../page-state.ts';
import { tabs } from '../tabs.ts';
import { counted } from '../time-words.ts';
import { deviationTable } from './deviation-table.ts';
import { NodeTable } from './node-table.ts';
import { PairTable } from './pair-table.ts';

/** The tables beside the picture: the same graph for eyes, ears and keys that a picture is nothing to. */
export function showTables(container: HTMLElement, state: PageState, control: PageControl): void {
  const pairs = new PairTable(state, control);
  const nodes = new NodeTable(state, control);
  const facts = el('span', { class: 'quiet' });
  const bar = tabs('Tables', 'table', [
    { name: 'connections', title: 'Connections', content: pairs.element },
    { name: 'nodes', title: 'Workloads and others', content: nodes.element },
    { name: 'deviations', title: 'Deviations', content: deviationTable(state, control) },
  ]);
  fill(container, el('div', { class: 'tables-head' }, bar.element, facts), ...bar.panels);
  state.watch(['graphFacts'], ({ graphFacts }) => {
    const { connections, leftOut } = graphFacts ?? { connections: 0, leftOut: 0 };
    const all = counted(connections + leftOut, 'connection');
    facts.textContent = leftOut === 0 ? all : `${connections.toLocaleString('en')} of ${all}`;
  });
  state.watch(['deviations'], ({ deviations }) => bar.title('deviations', `Deviations (${deviations.length})`));
  state.watch(['displayed'], () => {
    bar.title('connections', `Connections (${counted(pairs.count, 'pair')})`);
    bar.title('nodes', `Workloads and others (${nodes.count.toLocaleString('en')})`);
  });
}
