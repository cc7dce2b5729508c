import type { TrafficGraph } from '../graph/traffic-graph.ts';
import type { GraphChange } from './api-shape.ts';
import { EdgeSums } from './edge-sums.ts';
import { haveSameKeys, type NodeFacts, nodeOf, type NodeScope } from './graph-nodes.ts';
import type { GraphEdge } from './graph-shape.ts';
import type { GraphWorld } from './graph-view.ts';
import { hiddenNumber, NodeNumbers } from './node-numbers.ts';

/** More changed connections than this are not listed. */
export const mostListed = 500;
/** In a larger graph looking for what else belongs to the changed edges would cost more than asking for the graph again. */
const mostConnections = 250_000;
/** For so many who see different things the numbers of nodes are kept: making them costs as much as everything else. */
const mostKept = 8;

type MaySee = NodeScope['maySee'];

interface Kept {
  readonly graph: TrafficGraph;
  readonly facts: NodeFacts;
  readonly levels: readonly NodeNumbers[];
}

/** Says what became of edges when connections changed. */
export class GraphChanges {
  /** In the order of their use. */
  readonly #kept = new Map<MaySee, Kept>();

  /**
   * The edges, at both levels, that some connections belong to, as they are now and as a caller may see them; `maySee` says the same as
   * long as it lives.
   */
  of(world: GraphWorld, rows: readonly number[] | 'many', maySee: MaySee): GraphChange | undefined {
    if (rows === 'many' || rows.length > mostListed || world.graph.size > mostConnections) {
      return { refetch: true, nodes: [], edges: [], namespaceEdges: [] };
    }
    const levels = this.#numbers(world, maySee).map((numbers) => new ChangedEdges(world, rows, numbers));
    if (levels.every((level) => level.isEmpty)) return undefined;
    const [edges = [], namespaceEdges = []] = levels.map((level) => level.edges());
    const keys = new Set([...edges, ...namespaceEdges].flatMap(({ source, target }) => [source, target]));
    const nodes = [...keys].sort().map((key) => nodeOf(key, world.facts));
    return { refetch: false, nodes, edges, namespaceEdges };
  }

  #numbers(world: GraphWorld, maySee: MaySee): readonly NodeNumbers[] {
    const { graph, facts } = world;
    let kept = this.#kept.get(maySee);
    if (kept === undefined || kept.graph !== graph || !haveSameKeys(kept.facts, facts)) {
      const levels = (['workload', 'namespace'] as const).map(
        (level) => new NodeNumbers(world, { level, expanded: new Set(), maySee }),
      );
      kept = { graph, facts, levels };
    }
    this.#kept.delete(maySee);
    this.#kept.set(maySee, kept);
    for (const oldest of this.#kept.keys()) if (this.#kept.size > mostKept) this.#kept.delete(oldest);
    return kept.levels;
  }
}

/** Those of one level that have one of the connections. */
class ChangedEdges {
  readonly #world: GraphWorld;
  readonly #numbers: NodeNumbers;
  readonly #sums = new EdgeSums();
  /** Nodes that are the source of one: most connections are told apart by that. */
  readonly #sources = new Set<number>();

  constructor(world: GraphWorld, rows: readonly number[], numbers: NodeNumbers) {
    this.#world = world;
    this.#numbers = numbers;
    for (const row of rows) {
      const ends = world.graph.endsAt(row);
      const [from, to] = [numbers.of(ends.from), numbers.of(ends.to)];
      if (from === hiddenNumber && to === hiddenNumber) continue;
      this.#sums.open(from, to);
      this.#sources.add(from);
    }
  }

  get isEmpty(): boolean {
    return this.#sums.pairs.size === 0;
  }

  edges(): GraphEdge[] {
    this.#addAll();
    const { pairs } = this.#sums;
    return Array.from({ length: pairs.size }, (_, i) => ({
      source: this.#numbers.key(pairs.source(i)),
      target: this.#numbers.key(pairs.target(i)),
      attributes: this.#sums.attributes(i),
    }));
  }

  #addAll(): void {
    const { graph, states } = this.#world;
    const isSource = new Uint8Array(graph.endpointCount);
    for (let i = 0; i < isSource.length; i++) if (this.#sources.has(this.#numbers.of(i))) isSource[i] = 1;
    for (let row = 0; row < graph.size; row++) {
      const { from, to } = graph.endsAt(row);
      if (isSource[from] === 0) continue;
      const index = this.#sums.pairs.find(this.#numbers.of(from), this.#numbers.of(to));
      if (index !== undefined) this.#sums.add(index, graph.summaryAt(row), states.indexAt(row));
    }
  }
}
