import type { DisplayedGraph, DisplayedNode } from './displayed-graph.ts';
import type { Palette } from './palette.ts';

const shapes = { circle: 0, square: 1, diamond: 2, hexagon: 3 } as const;

/** Among many groups the names alone have enough to do. */
export function labelOf({ key, label, node }: DisplayedNode, { groups }: DisplayedGraph): string {
  if (node !== undefined) return label;
  const size = groups.get(key)?.size ?? 0;
  return groups.size > 25 ? label : `${label} · ${size}`;
}

/** What a node or a closed group is, as outline and colours. */
export function nodeLook({ key, group, node }: DisplayedNode, { groups }: DisplayedGraph, palette: Palette) {
  if (node === undefined) {
    const isApart = groups.get(group)?.kind !== 'namespace';
    const shape = isApart ? shapes.square : shapes.hexagon;
    return {
      shape,
      color: isApart ? palette.apartFill : palette.closedNode,
      rim: isApart ? palette.apartRim : palette.nodeRim,
      key,
    };
  }
  switch (node.attributes.kind) {
    case 'namespace':
    case 'workload': {
      const isEnforced = node.attributes.proposal?.state === 'Enforced';
      return {
        shape: shapes.circle,
        color: isEnforced ? palette.states.enforced : palette.node,
        rim: isEnforced ? palette.states.enforced : palette.nodeRim,
      };
    }
    case 'external':
      return { shape: shapes.square, color: palette.node, rim: palette.apartRim };
    case 'infrastructure':
      return { shape: shapes.diamond, color: palette.node, rim: palette.apartRim };
    case 'unknown':
    case 'hidden':
      return { shape: shapes.square, color: palette.faint, rim: palette.apartRim };
  }
}
