import { shortened } from '../printable.ts';
import { nodeRadiusLimits } from './camera-program.ts';
import type { Palette } from './palette.ts';

/** What sigma says of a node when its label is to be drawn; x, y and size in pixels. */
export interface LabelledNode {
  readonly label: string | null;
  readonly x: number;
  readonly y: number;
  readonly size: number;
  /** Drawn wherever there is no space either. */
  readonly strong?: boolean;
}

/** A part of the screen, in pixels. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

const longest = 30;
const height = 15;

export function radiusOnScreen(size: number): number {
  return Math.min(nodeRadiusLimits.most, Math.max(nodeRadiusLimits.least, size));
}

/** The names of nodes: under the node, above or beside it, or not at all where others are in the way. */
export class Labels {
  #taken: Box[] = [];
  #covered: readonly Box[] = [];
  #others: { readonly written: () => readonly Box[]; readonly drawn: () => readonly Box[] } | undefined;

  /** A new picture begins; told are what else is `written` in it, and what is `drawn` and had better be seen. */
  begin(written: () => readonly Box[], drawn: () => readonly Box[]): void {
    this.#taken = [];
    this.#others = { written, drawn };
  }

  draw(context: CanvasRenderingContext2D, node: LabelledNode, palette: Palette): void {
    if (node.label === null || node.label === '') return;
    // only now does sigma know where things are
    if (this.#others !== undefined) {
      this.#taken.push(...this.#others.written());
      this.#covered = this.#others.drawn();
      this.#others = undefined;
    }
    const text = shortened(node.label, longest);
    context.font = `${node.strong === true ? 600 : 500} 12px ${palette.font}`;
    const width = context.measureText(text).width;
    const radius = radiusOnScreen(node.size);
    const places = [
      { x: node.x - width / 2, y: node.y + radius + 3 },
      { x: node.x - width / 2, y: node.y - radius - 3 - height },
      { x: node.x + radius + 4, y: node.y - height / 2 },
      { x: node.x - radius - 4 - width, y: node.y - height / 2 },
    ] as const;
    const free = places.filter(({ x, y }) => isFree(this.#taken, x, y, width));
    const clear = free.find(({ x, y }) => isFree(this.#covered, x, y, width));
    const place = clear ?? free[0] ?? (node.strong === true ? places[0] : undefined);
    if (place === undefined) return;
    this.#taken.push({ left: place.x, top: place.y, right: place.x + width, bottom: place.y + height });
    context.textAlign = 'left';
    context.textBaseline = 'top';
    // a halo in the colour of the background, so that lines do not run through it
    context.lineJoin = 'round';
    context.lineWidth = 4;
    context.strokeStyle = palette.background;
    context.strokeText(text, place.x, place.y);
    context.fillStyle = palette.text;
    context.fillText(text, place.x, place.y);
  }
}

function isFree(taken: readonly Box[], x: number, y: number, width: number): boolean {
  return taken.every(
    ({ left, top, right, bottom }) => x > right + 2 || x + width + 2 < left || y > bottom || y + height < top,
  );
}
