import { shortened } from '../printable.ts';
import { nodeRadiusLimits } from './node-program.ts';
import type { Palette } from './palette.ts';

/** What sigma says of a node when its label is to be drawn; x, y and size in pixels. */
interface LabelledNode {
  readonly label: string | null;
  readonly x: number;
  readonly y: number;
  readonly size: number;
  readonly strong?: boolean;
  readonly dimmed?: boolean;
}

const longest = 30;

export function radiusOnScreen(size: number): number {
  return Math.min(nodeRadiusLimits.most, Math.max(nodeRadiusLimits.least, size));
}

/** The name under its node, with a halo in the colour of the background, so that lines do not run through it. */
export function drawLabel(context: CanvasRenderingContext2D, node: LabelledNode, palette: Palette): void {
  if (node.label === null || node.label === '' || node.dimmed === true) return;
  const text = shortened(node.label, longest);
  context.font = `${node.strong === true ? 600 : 500} 12px ${palette.font}`;
  context.textAlign = 'center';
  context.textBaseline = 'top';
  context.lineJoin = 'round';
  context.lineWidth = 4;
  context.strokeStyle = palette.background;
  context.fillStyle = palette.text;
  const y = node.y + radiusOnScreen(node.size) + 3;
  context.strokeText(text, node.x, y);
  context.fillText(text, node.x, y);
}
