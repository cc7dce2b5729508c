import type { Point } from './layout.ts';

export interface Disc extends Point {
  readonly radius: number;
}

/** Distance between the nodes of a group, in units of the picture. */
export const spacing = 12;
const gap = spacing * 1.5;

export function radiusFor(members: number): number {
  return spacing * (0.85 * Math.sqrt(members) + 0.5);
}

/** The i-th place of a spiral that fills a disc evenly. */
export function spiralPoint(i: number, step = spacing): Point {
  const distance = step * 0.6 * Math.sqrt(i);
  const angle = i * 2.399963;
  return { x: distance * Math.cos(angle), y: distance * Math.sin(angle) };
}

/** Pushes discs apart until none overlaps another, keeping them about where they are; the same for the same input. */
export function spreadDiscs(discs: ReadonlyMap<string, Disc>): Map<string, Disc> {
  const moving = [...discs].map(([key, { x, y, radius }]) => ({ key, x, y, radius }));
  for (let round = 0; round < 400; round++) {
    let moved = false;
    for (const [i, a] of moving.entries()) {
      for (const b of moving.slice(i + 1)) {
        const least = a.radius + b.radius + gap;
        // discs in the very same place are told apart by their order
        const dx = b.x - a.x || 0.01 * (i + 1);
        const dy = b.y - a.y || 0.007 * (i + 1);
        const distance = Math.hypot(dx, dy);
        if (distance >= least) continue;
        const push = (least - distance + 0.1) / 2 / distance;
        a.x -= dx * push;
        a.y -= dy * push;
        b.x += dx * push;
        b.y += dy * push;
        moved = true;
      }
    }
    if (!moved) break;
  }
  return new Map(moving.map(({ key, x, y, radius }) => [key, { x, y, radius }]));
}

/** Turns and scales points about their centre: the longest way lies across the screen, and all fit into the space wanted. */
export function laidAcross(points: ReadonlyMap<string, Point>, radius: number): Map<string, Point> {
  const all = [...points.values()];
  const mean = (of: (point: Point) => number) =>
    all.reduce((sum, point) => sum + of(point), 0) / Math.max(1, all.length);
  const center = { x: mean(({ x }) => x), y: mean(({ y }) => y) };
  const [xx, yy, xy] = [
    mean(({ x }) => (x - center.x) ** 2),
    mean(({ y }) => (y - center.y) ** 2),
    mean(({ x, y }) => (x - center.x) * (y - center.y)),
  ];
  const angle = -0.5 * Math.atan2(2 * xy, xx - yy);
  const farthest = Math.max(0.001, ...all.map(({ x, y }) => Math.hypot(x - center.x, y - center.y)));
  const scale = radius / farthest;
  const [cos, sin] = [Math.cos(angle) * scale, Math.sin(angle) * scale];
  return new Map(
    [...points].map(([key, { x, y }]) => {
      const [dx, dy] = [x - center.x, y - center.y];
      return [key, { x: dx * cos - dy * sin, y: dx * sin + dy * cos }];
    }),
  );
}

/** Points moved and stretched so that they fill a disc around 0. */
export function fitted(points: ReadonlyMap<string, Point>, radius: number): Map<string, Point> {
  const xs = [...points.values()].map(({ x }) => x);
  const ys = [...points.values()].map(({ y }) => y);
  const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const [middleX, middleY] = [(left + right) / 2, (low + high) / 2];
  const scaleX = (radius * 1.7) / Math.max(1, right - left);
  const scaleY = (radius * 1.7) / Math.max(1, high - low);
  return new Map([...points].map(([key, { x, y }]) => [key, { x: (x - middleX) * scaleX, y: (y - middleY) * scaleY }]));
}

/** Keeps points at a distance from each other and inside of a disc around 0, as far as there is space. */
export function spacedWithin(points: ReadonlyMap<string, Point>, radius: number): Map<string, Point> {
  const moving = [...points].map(([key, { x, y }]) => ({ key, x, y }));
  const least = Math.min(spacing * 1.35, (radius * 1.7) / Math.sqrt(Math.max(1, moving.length)));
  const cellOf = (value: number) => Math.floor(value / least);
  for (let round = 0; round < 60; round++) {
    const cells = Map.groupBy(moving, ({ x, y }) => `${cellOf(x)} ${cellOf(y)}`);
    for (const [i, a] of moving.entries()) {
      for (let cx = cellOf(a.x) - 1; cx <= cellOf(a.x) + 1; cx++) {
        for (let cy = cellOf(a.y) - 1; cy <= cellOf(a.y) + 1; cy++) {
          for (const b of cells.get(`${cx} ${cy}`) ?? []) {
            if (a.key >= b.key) continue;
            const dx = b.x - a.x || 0.01 * (i + 1);
            const dy = b.y - a.y || 0.013;
            const distance = Math.hypot(dx, dy);
            if (distance >= least) continue;
            const push = (least - distance) / 2 / distance;
            a.x -= dx * push;
            a.y -= dy * push;
            b.x += dx * push;
            b.y += dy * push;
          }
        }
      }
      const away = Math.hypot(a.x, a.y);
      if (away > radius) {
        a.x *= radius / away;
        a.y *= radius / away;
      }
    }
  }
  return new Map(moving.map(({ key, x, y }) => [key, { x, y }]));
}
