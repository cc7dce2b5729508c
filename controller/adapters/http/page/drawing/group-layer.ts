import type Sigma from 'sigma';
import { shortened } from '../printable.ts';
import type { DisplayedGraph } from './displayed-graph.ts';
import type { Disc } from './discs.ts';
import type { Group } from './groups.ts';
import type { Point } from './layout.ts';
import type { Palette } from './palette.ts';

/** The open groups behind everything: a disc with the group's name above it. */
export function drawGroups(
  context: CanvasRenderingContext2D,
  renderer: Sigma,
  { groups, open }: DisplayedGraph,
  discOf: (group: string) => Disc | undefined,
  palette: Palette,
): void {
  for (const group of groups.values()) {
    const disc = discOf(group.key);
    if (disc === undefined || !open.has(group.key)) continue;
    const { x, y, radius } = discOnScreen(renderer, disc);
    const isApart = group.kind !== 'namespace';
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fillStyle = isApart ? palette.apartFill : palette.groupFill;
    context.fill();
    context.setLineDash(isApart ? [5, 5] : []);
    context.lineWidth = 1.25;
    context.strokeStyle = isApart ? palette.apartRim : palette.groupRim;
    context.stroke();
    context.setLineDash([]);
  }
}

/** The names of the open groups, above the lines. */
export function drawGroupNames(
  context: CanvasRenderingContext2D,
  renderer: Sigma,
  { groups, open }: DisplayedGraph,
  discOf: (group: string) => Disc | undefined,
  palette: Palette,
): void {
  for (const group of groups.values()) {
    const disc = discOf(group.key);
    if (disc === undefined || !open.has(group.key)) continue;
    const { x, y, radius } = discOnScreen(renderer, disc);
    if (radius < 14) continue;
    drawGroupName(context, group, { x, y: y - radius - 5 }, palette);
  }
}

function drawGroupName(context: CanvasRenderingContext2D, group: Group, { x, y }: Point, palette: Palette): void {
  const text = shortened(group.label, 34);
  context.font = `650 13px ${palette.font}`;
  context.textAlign = 'center';
  context.textBaseline = 'bottom';
  context.lineJoin = 'round';
  context.lineWidth = 4;
  context.strokeStyle = palette.background;
  context.strokeText(text, x, y);
  context.fillStyle = group.kind === 'namespace' ? palette.text : palette.quietText;
  context.fillText(text, x, y);
}

/** In pixels of the viewport. */
export function discOnScreen(renderer: Sigma, { x, y, radius }: Disc): Disc {
  const center = renderer.graphToViewport({ x, y });
  const rim = renderer.graphToViewport({ x: x + radius, y });
  return { ...center, radius: Math.hypot(rim.x - center.x, rim.y - center.y) };
}
