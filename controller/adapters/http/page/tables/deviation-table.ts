import type { DeviationEntry } from '../../../../view/api-shape.ts';
import { el } from '../dom.ts';
import type { PageControl } from '../page-control.ts';
import type { PageState } from '../page-state.ts';
import { printable } from '../printable.ts';
import { ago } from '../time-words.ts';
import { Grid } from './grid.ts';

/** Connections outside of what is enforced; choosing one shows the proposal that they are outside of. */
export function deviationTable(state: PageState, control: PageControl): HTMLElement {
  const grid = new Grid<DeviationEntry>({
    label: 'Deviations',
    columns: [
      {
        title: 'Connection',
        width: 'minmax(200px, 3fr)',
        cell: ({ words }) => el('span', { class: 'strong' }, printable(words)),
        sortBy: ({ words }) => words,
      },
      { title: 'Verdict', width: '80px', cell: ({ verdict }) => verdict, sortBy: ({ verdict }) => verdict },
      { title: 'What it means', width: 'minmax(140px, 2fr)', cell: ({ message }) => printable(message) },
      {
        title: 'Times',
        width: '70px',
        isNumber: true,
        cell: ({ times }) => times.toLocaleString('en'),
        sortBy: ({ times }) => times,
      },
      {
        title: 'Seen',
        width: '60px',
        isNumber: true,
        cell: ({ lastSeen }) => ago(lastSeen, Date.now()),
        sortBy: ({ lastSeen }) => lastSeen,
      },
    ],
    none: 'Nothing was seen outside of what is enforced.',
    key: ({ namespace, proposal, connection }) => `${namespace}/${proposal} ${connection}`,
    pick: ({ namespace, proposal }) => control.select({ kind: 'proposal', namespace, name: proposal }),
  });
  state.watch(['deviations'], ({ deviations }) => grid.set(deviations));
  return grid.frame;
}
