import type Sigma from 'sigma';
import { shortened } from '../printable.ts';
import type { DisplayedGraph } from './displayed-graph.ts';
import type { Disc } from './discs.ts';
import type { Box } from './labels.ts';
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

/** The name of an open group, and the place of it above its disc. */
export interface GroupName extends Box {
  readonly text: string;
  readonly isApart: boolean;
}

const nameHeight = 16;

/** Of those that are large enough on the screen. */
export function groupNames(
  context: CanvasRenderingContext2D,
  renderer: Sigma,
  { groups, open }: DisplayedGraph,
  discOf: (group: string) => Disc | undefined,
  palette: Palette,
): GroupName[] {
  context.font = nameFont(palette);
  return [...groups.values()].flatMap((group) => {
    const disc = open.has(group.key) ? discOf(group.key) : undefined;
    if (disc === undefined) return [];
    const { x, y, radius } = discOnScreen(renderer, disc);
    if (radius < 14) return [];
    const text = shortened(group.label, 34);
    const width = context.measureText(text).width;
    const bottom = y - radius - 5;
    const [left, top] = [x - width / 2, bottom - nameHeight];
    return [{ text, isApart: group.kind !== 'namespace', left, top, right: left + width, bottom }];
  });
}

export function drawGroupNames(context: CanvasRenderingContext2D, names: readonly GroupName[], palette: Palette): void {
  context.font = nameFont(palette);
  context.textAlign = 'left';
  context.textBaseline = 'bottom';
  context.lineJoin = 'round';
  context.lineWidth = 4;
  context.strokeStyle = palette.background;
  for (const { text, left, bottom, isApart } of names) {
    context.strokeText(text, left, bottom);
    context.fillStyle = isApart ? palette.quietText : palette.text;
    context.fillText(text, left, bottom);
  }
}

function nameFont({ font }: Palette): string {
  return `650 13px ${font}`;
}

/** In pixels of the viewport. */
export function discOnScreen(renderer: Sigma, { x, y, radius }: Disc): Disc {
  const center = renderer.graphToViewport({ x, y });
  const rim = renderer.graphToViewport({ x: x + radius, y });
  return { ...center, radius: Math.hypot(rim.x - center.x, rim.y - center.y) };
}
