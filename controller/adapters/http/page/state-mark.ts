import type { ConnectionState } from '../../../view/graph-shape.ts';
import type { ProposalSummary } from '../../../view/proposal-shape.ts';
import { el, svg } from './dom.ts';
import { stateLooks } from './drawing/state-looks.ts';

const dashes: Readonly<Record<number, string | undefined>> = { 1: '6 4', 2: '1.5 3.5', 3: '8 3.5 1.5 3.5' };

/** The line of a state as the picture draws it: colour, style and symbol. */
export function stateSwatch(state: ConnectionState): SVGElement {
  const { color, pattern, symbol, width } = stateLooks[state];
  const line = (y: number, thickness: number) =>
    svg('line', {
      x1: 1,
      x2: 31,
      y1: y,
      y2: y,
      'stroke-width': thickness,
      stroke: 'currentColor',
      'stroke-dasharray': dashes[pattern],
    });
  const lines = pattern === 4 ? [line(5.5, 1.2), line(10.5, 1.2)] : [line(8, width)];
  const marks: readonly (readonly SVGElement[])[] = [
    [],
    [svg('circle', { cx: 16, cy: 8, r: 2.2, class: 'mark-fill' })],
    [svg('path', { d: 'M16 4.4v4.6M16 10.6v1.4', class: 'mark' })],
    [svg('path', { d: 'M13.6 5.6l4.8 4.8M18.4 5.6l-4.8 4.8', class: 'mark' })],
    [svg('path', { d: 'M14.4 5v6M17.6 5v6', class: 'mark' })],
    [svg('path', { d: 'M12.8 8h6.4M16 4.8v6.4', class: 'mark' })],
  ];
  const badge =
    symbol === 0 ? [] : [svg('circle', { cx: 16, cy: 8, r: 6.5, fill: 'currentColor' }), ...(marks[symbol] ?? [])];
  const name = color.slice(2);
  return svg(
    'svg',
    { class: `swatch ${name}`, viewBox: '0 0 32 16', width: 32, height: 16, 'aria-hidden': 'true' },
    ...lines,
    ...badge,
  );
}

/** The state of a connection as symbol and word. */
export function stateMark(state: ConnectionState): HTMLElement {
  const { color, glyph, label } = stateLooks[state];
  return el(
    'span',
    { class: `state-mark ${color.slice(2)}` },
    el('span', { class: 'glyph', 'aria-hidden': 'true' }, glyph),
    label,
  );
}

const proposalGlyphs: Readonly<Record<ProposalSummary['state'], string>> = {
  New: '…',
  Learning: '◔',
  Ready: '◆',
  Approved: '✓',
  Enforced: '●',
  Rejected: '×',
  Superseded: '–',
  RolledBack: '↺',
  Invalid: '!',
};

/** The state of a proposal as symbol and word. */
export function proposalMark(state: ProposalSummary['state']): HTMLElement {
  const glyph = el('span', { class: 'glyph', 'aria-hidden': 'true' }, proposalGlyphs[state]);
  return el('span', { class: `pill is-${state.toLowerCase()}` }, glyph, state);
}
