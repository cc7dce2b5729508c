import type { GraphChange } from './api-shape.ts';
import { EdgeSums } from './edge-sums.ts';
import { nodeOf } from './graph-nodes.ts';
import type { GraphEdge, GraphLevel } from './graph-shape.ts';
import type { GraphWorld } from './graph-view.ts';
import { hiddenNumber, NodeNumbers } from './node-numbers.ts';

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
  readonly #sums = new EdgeSums();

  constructor(world: GraphWorld, rows: readonly number[], level: GraphLevel, maySee: (namespace: string) => boolean) {
    this.#world = world;
    this.#numbers = new NodeNumbers(world, { level, expanded: new Set(), maySee });
    for (const row of rows) {
      const { from, to } = this.#ends(row);
      if (from !== hiddenNumber || to !== hiddenNumber) this.#sums.open(from, to);
    }
  }

  get isEmpty(): boolean {
    return this.#sums.pairs.size === 0;
  }

  add(row: number): void {
    const { from, to } = this.#ends(row);
    const index = this.#sums.pairs.find(from, to);
    if (index === undefined) return;
    this.#sums.add(index, this.#world.graph.summaryAt(row), this.#world.states.indexAt(row));
  }

  edges(): GraphEdge[] {
    const { pairs } = this.#sums;
    return Array.from({ length: pairs.size }, (_, i) => ({
      source: this.#numbers.key(pairs.source(i)),
      target: this.#numbers.key(pairs.target(i)),
      attributes: this.#sums.attributes(i),
    }));
  }

  #ends(row: number): { readonly from: number; readonly to: number } {
    const { from, to } = this.#world.graph.endsAt(row);
    return { from: this.#numbers.of(from), to: this.#numbers.of(to) };
  }
}
