import type { DisplayedGraph } from './displayed-graph.ts';
import { type Disc, fitted, laidAcross, radiusFor, spacedWithin, spacing, spiralPoint, spreadDiscs } from './discs.ts';
import type { Group, GroupKey } from './groups.ts';
import type { Layout, LayoutEdge, Point } from './layout.ts';

/** Two things that talk, by group or node key, and how strongly that draws them together. */
export type Link = LayoutEdge;

/** An opened group outside of the namespaces takes no more space than this before it is opened. */
const reservedMembers = 12;

/**
 * Where everything lies. Space for the members of a group is kept while it is closed, so that opening it moves nothing else;
 * what has a place keeps it, and what is new is put near those that it talks to.
 */
export class Places {
  readonly #layout: Layout;
  readonly #discs = new Map<GroupKey, Disc>();
  readonly #points = new Map<string, Point>();

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  discOf(group: GroupKey): Disc | undefined {
    return this.#discs.get(group);
  }

  /** Of a node, or of a group as a whole. */
  pointOf(key: string): Point | undefined {
    return this.#points.get(key) ?? this.#discs.get(key);
  }

  /** Forgets everything, so that it is all laid out anew. */
  clear(): void {
    this.#discs.clear();
    this.#points.clear();
  }

  /** Gives a place to all that has none. `links` are between groups, `memberLinks` between drawn nodes. */
  async complete(graph: DisplayedGraph, links: readonly Link[]): Promise<void> {
    const unplaced = [...graph.groups.values()].filter(({ key }) => !this.#discs.has(key));
    if (unplaced.length > 0) {
      if (this.#discs.size === 0) await this.#arrangeGroups(unplaced, links);
      else for (const group of unplaced) this.#placeGroup(group, links);
    }
    const members = Map.groupBy(
      [...graph.nodes.values()].filter(({ node }) => node !== undefined),
      ({ group }) => group,
    );
    for (const [group, nodes] of members) {
      const keys = nodes.map(({ key }) => key);
      const missing = keys.filter((key) => !this.#points.has(key));
      if (missing.length === 0) continue;
      if (missing.length === keys.length) await this.#arrangeMembers(group, keys, graph);
      else for (const key of missing) this.#placeMember(group, key, keys, graph);
    }
  }

  async #arrangeGroups(groups: readonly Group[], links: readonly Link[]): Promise<void> {
    const inner = groups.filter(({ kind }) => kind === 'namespace');
    const start = inner.map(({ key, size }, i) => ({ key, size: radiusFor(size), ...spiralPoint(i + 1, spacing * 4) }));
    const found = await this.#layout.run(start, links, { iterations: inner.length > 300 ? 120 : 300, sized: true });
    const area = inner.reduce((sum, { size }) => sum + (radiusFor(size) + spacing) ** 2, 0);
    const across = laidAcross(found, Math.sqrt(area) * 0.8);
    // many of them would be a ball, and screens are wide
    const [wide, high] = inner.length > 8 ? [1.5, 0.62] : [1, 1];
    const discs = new Map(
      inner.map(({ key, size }) => {
        const { x, y } = across.get(key) ?? { x: 0, y: 0 };
        return [key, { x: x * wide, y: y * high, radius: radiusFor(size) }];
      }),
    );
    for (const [key, disc] of spreadDiscs(discs)) this.#discs.set(key, disc);
    for (const group of groups) if (group.kind !== 'namespace') this.#placeApart(group);
  }

  /** What is no namespace stands beside all of them: addresses outside to the right, what the cluster is made of to the left. */
  #placeApart({ key, kind, size }: Group): void {
    const radius = radiusFor(Math.min(size, reservedMembers));
    const namespaces = [...this.#discs].filter(([other]) => other.startsWith('namespace:')).map(([, disc]) => disc);
    const right = Math.max(0, ...namespaces.map((disc) => disc.x + disc.radius));
    const left = Math.min(0, ...namespaces.map((disc) => disc.x - disc.radius));
    const isRight = kind === 'external' || kind === 'unknown';
    const x = isRight ? right + spacing * 2 + radius : left - spacing * 2 - radius;
    const sameSide = [...this.#discs].filter(
      ([other]) => !other.startsWith('namespace:') && (other === 'external' || other === 'unknown') === isRight,
    );
    const below = Math.min(...sameSide.map(([, disc]) => disc.y - disc.radius - spacing * 2));
    this.#discs.set(key, { x, y: sameSide.length === 0 ? 0 : below - radius, radius });
  }

  #placeGroup(group: Group, links: readonly Link[]): void {
    if (group.kind !== 'namespace') return this.#placeApart(group);
    const radius = radiusFor(group.size);
    const wish = this.#among(group.key, links, [...this.#discs.keys()]) ?? { x: 0, y: 0 };
    const isFree = ({ x, y }: Point) =>
      [...this.#discs.values()].every((disc) => Math.hypot(disc.x - x, disc.y - y) > disc.radius + radius + spacing);
    this.#discs.set(group.key, { ...nearestFree(wish, spacing * 2, isFree), radius });
  }

  async #arrangeMembers(group: GroupKey, keys: readonly string[], graph: DisplayedGraph): Promise<void> {
    const disc = this.#makeSpace(group, keys.length);
    if (disc === undefined) return;
    const own = new Set(keys);
    const links = linksOf(graph).filter(({ source, target }) => own.has(source) || own.has(target));
    const order = new Map<string, number>(keys.map((key) => [key, 0]));
    for (const { source, target } of links) {
      for (const end of [source, target]) if (order.has(end)) order.set(end, (order.get(end) ?? 0) + 1);
    }
    const sorted = [...keys].sort((a, b) => (order.get(b) ?? 0) - (order.get(a) ?? 0) || (a < b ? -1 : 1));
    const nodes = sorted.map((key, i) => ({ key, size: 1, ...spiralPoint(i) }));
    // who talks to others is drawn to the side where they are
    const others = new Set(links.flatMap(({ source, target }) => [source, target]).filter((key) => !own.has(key)));
    const anchors = [...others].flatMap((key) => {
      const point = this.pointOf(key) ?? this.#discs.get(graph.nodes.get(key)?.group ?? '');
      if (point === undefined) return [];
      const [dx, dy] = [point.x - disc.x, point.y - disc.y];
      const scale = (disc.radius * 1.6) / Math.max(1, Math.hypot(dx, dy));
      return [{ key, x: dx * scale, y: dy * scale, size: 1, fixed: true }];
    });
    const found = await this.#layout.run([...nodes, ...anchors], links, {
      iterations: keys.length > 600 ? 60 : 160,
      sized: false,
    });
    const inside = disc.radius - spacing * 0.55;
    const points = new Map(keys.map((key) => [key, found.get(key) ?? { x: 0, y: 0 }]));
    const scaled = fitted(points, inside);
    const placed = keys.length === 1 ? scaled : spacedWithin(scaled, inside);
    for (const [key, { x, y }] of placed) {
      this.#points.set(key, keys.length === 1 ? { x: disc.x, y: disc.y } : { x: disc.x + x, y: disc.y + y });
    }
  }

  /** What stands apart may grow away from the namespaces. */
  #makeSpace(group: GroupKey, members: number): Disc | undefined {
    const disc = this.#discs.get(group);
    const radius = radiusFor(members);
    if (disc === undefined || group.startsWith('namespace:') || radius <= disc.radius) return disc;
    const grown = { radius, y: disc.y, x: disc.x + Math.sign(disc.x) * (radius - disc.radius) };
    this.#discs.set(group, grown);
    return grown;
  }

  #placeMember(group: GroupKey, key: string, members: readonly string[], graph: DisplayedGraph): void {
    const disc = this.#discs.get(group);
    if (disc === undefined) return;
    const placed = members.flatMap((member) => this.#points.get(member) ?? []);
    const wish = this.#among(key, linksOf(graph), members) ?? disc;
    const isFree = ({ x, y }: Point) => placed.every((other) => Math.hypot(other.x - x, other.y - y) > spacing * 0.8);
    const point = nearestFree({ x: wish.x, y: wish.y }, spacing * 0.5, isFree);
    this.#points.set(key, point);
    const radius = Math.max(disc.radius, Math.hypot(point.x - disc.x, point.y - disc.y) + spacing * 0.55);
    this.#discs.set(group, { ...disc, radius });
  }

  /** The middle of those of the candidates that it talks to. */
  #among(key: string, links: readonly Link[], candidates: readonly string[]): Point | undefined {
    const known = new Set(candidates);
    const peers = links
      .filter(({ source, target }) => source === key || target === key)
      .map(({ source, target }) => (source === key ? target : source))
      .filter((peer) => known.has(peer))
      .flatMap((peer) => this.pointOf(peer) ?? []);
    if (peers.length === 0) return undefined;
    const sum = peers.reduce((total, { x, y }) => ({ x: total.x + x, y: total.y + y }), { x: 0, y: 0 });
    return { x: sum.x / peers.length, y: sum.y / peers.length };
  }
}

function linksOf({ edges }: DisplayedGraph): Link[] {
  return edges.map(({ source, target, connections }) => ({ source, target, weight: Math.log2(1 + connections) }));
}

function nearestFree(wish: Point, step: number, isFree: (point: Point) => boolean): Point {
  for (let i = 0; ; i++) {
    const { x, y } = spiralPoint(i, step);
    const point = { x: wish.x + x, y: wish.y + y };
    if (isFree(point) || i > 5000) return point;
  }
}
