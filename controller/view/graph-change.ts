import type { GraphChange } from './api-shape.ts';
import { EdgeSum } from './edge-sum.ts';
import { nodeOf } from './graph-nodes.ts';
import type { GraphEdge, GraphLevel } from './graph-shape.ts';
import { type GraphWorld, hiddenNumber, NodeNumbers, pairNumber, pairOf } from './graph-view.ts';

/** More changed connections than this are not listed. */
export const mostListed = 500;
/** In a larger graph looking for what else belongs to the changed edges would cost more than asking for the graph again. */
const mostConnections = 250_000;

/** The edges, at both levels, that some connections belong to, as they are now and as a caller may see them. */
export function graphChange(
  world: GraphWorld,
  rows: readonly number[] | 'many',
  maySee: (namespace: string) => boolean,
): GraphChange | undefined {
  if (rows === 'many' || rows.length > mostListed || world.graph.size > mostConnections) {
    return { refetch: true, nodes: [], edges: [], namespaceEdges: [] };
  }
  const levels = (['workload', 'namespace'] as const).map((level) => new ChangedEdges(world, rows, level, maySee));
  if (levels.every((level) => level.isEmpty)) return undefined;
  for (let row = 0; row < world.graph.size; row++) for (const level of levels) level.add(row);
  const [edges = [], namespaceEdges = []] = levels.map((level) => level.edges());
  const keys = new Set([...edges, ...namespaceEdges].flatMap(({ source, target }) => [source, target]));
  const nodes = [...keys].sort().map((key) => nodeOf(key, world.facts));
  return { refetch: false, nodes, edges, namespaceEdges };
}

/** Those of one level that have one of the connections. */
class ChangedEdges {
  readonly #world: GraphWorld;
  readonly #numbers: NodeNumbers;
  readonly #sums = new Map<number, EdgeSum>();

  constructor(world: GraphWorld, rows: readonly number[], level: GraphLevel, maySee: (namespace: string) => boolean) {
    this.#world = world;
    this.#numbers = new NodeNumbers(world, { level, expanded: new Set(), maySee });
    for (const row of rows) {
      const pair = this.#pair(row);
      if (pair !== undefined) this.#sums.set(pair, new EdgeSum());
    }
  }

  get isEmpty(): boolean {
    return this.#sums.size === 0;
  }

  add(row: number): void {
    const pair = this.#pair(row);
    const sum = pair === undefined ? undefined : this.#sums.get(pair);
    sum?.add(this.#world.graph.summaryAt(row), this.#world.states.stateAt(row));
  }

  edges(): GraphEdge[] {
    return [...this.#sums].map(([pair, sum]) => {
      const { from, to } = pairOf(pair);
      return { source: this.#numbers.key(from), target: this.#numbers.key(to), attributes: sum.attributes() };
    });
  }

  #pair(row: number): number | undefined {
    const ends = this.#world.graph.endsAt(row);
    const [from, to] = [this.#numbers.of(ends.from), this.#numbers.of(ends.to)];
    return from === hiddenNumber && to === hiddenNumber ? undefined : pairNumber(from, to);
  }
}
