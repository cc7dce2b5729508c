import type { ConnectionState } from '../../../../view/graph-shape.ts';
import type { EffectEdge, ProposalEffect, Reach } from '../../../../view/proposal-shape.ts';
import type { DisplayedEdge, DisplayedGraph } from './displayed-graph.ts';

/** What becomes of a pair with a proposal; drawn as the state that says the same. */
export type Fate = 'stays' | 'opens' | 'closes' | 'closes-unused' | 'stays-denied' | 'unknown';

export const fateStates: Readonly<Record<Fate, ConnectionState>> = {
  stays: 'enforced',
  opens: 'over-grant',
  closes: 'would-be-denied',
  'closes-unused': 'seen',
  'stays-denied': 'denied',
  unknown: 'held-back',
};

export const fateWords: Readonly<Record<Fate, string>> = {
  stays: 'Stays allowed',
  opens: 'Opens',
  closes: 'Was seen, and closes',
  'closes-unused': 'Was never seen, and closes',
  'stays-denied': 'Stays denied',
  unknown: 'Not known',
};

export const fates: readonly Fate[] = ['closes', 'opens', 'stays', 'closes-unused', 'stays-denied', 'unknown'];

export function fateOf({ before, after, seen }: EffectEdge): Fate {
  if (before === 'unknown' || after === 'unknown') return 'unknown';
  if (after === 'allowed') return before === 'allowed' ? 'stays' : 'opens';
  if (before === 'denied') return 'stays-denied';
  return seen ? 'closes' : 'closes-unused';
}

/** The same nodes with the edges of a proposal: what could talk before it, what can after it, or both with what changes. */
export function effectGraph(
  graph: DisplayedGraph,
  effect: ProposalEffect,
  mode: 'before' | 'after' | 'both',
): DisplayedGraph {
  const lines = new Map<string, DisplayedEdge>();
  for (const edge of effect.edges) {
    const [source, target] = [graph.standsFor.get(edge.source), graph.standsFor.get(edge.target)];
    if (source === undefined || target === undefined || source === target) continue;
    const state = shownState(edge, mode);
    if (state === undefined) continue;
    const key = `${source} ${target} ${state}`;
    const known = lines.get(key);
    const ports = known === undefined ? edge.ports : `${known.ports}; ${edge.ports}`;
    lines.set(key, {
      key,
      source,
      target,
      state,
      ports,
      connections: (known?.connections ?? 0) + 1,
      undirected: false,
    });
  }
  return { ...graph, edges: [...lines.values()] };
}

/** What the lines of an overlay mean, in the order of a legend. */
export function overlayLegend(mode: 'before' | 'after' | 'both'): readonly (readonly [ConnectionState, string])[] {
  if (mode === 'both') return fates.map((fate) => [fateStates[fate], fateWords[fate]]);
  const time = mode === 'before' ? 'Could talk' : 'Can talk';
  return [
    ['enforced', `${time}, and was seen to`],
    ['seen', `${time}, and was never seen to`],
    ['denied', 'Was seen, and is denied'],
    ['held-back', 'Not known'],
  ];
}

function shownState(edge: EffectEdge, mode: 'before' | 'after' | 'both'): ConnectionState | undefined {
  const reach: Reach | undefined = mode === 'both' ? undefined : edge[mode];
  if (reach === undefined) return fateStates[fateOf(edge)];
  if (reach === 'unknown') return 'held-back';
  if (reach === 'denied') return edge.seen ? 'denied' : undefined;
  return edge.seen ? 'enforced' : 'seen';
}
