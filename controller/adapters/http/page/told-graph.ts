import type { GraphChange } from '../../../view/api-shape.ts';
import type { GraphEdge, GraphNode, GraphView } from '../../../view/graph-shape.ts';

/** The graph as the server told it, kept up to date by its events. */
export class ToldGraph {
  readonly #nodes = new Map<string, GraphNode>();
  readonly #edges = new Map<string, GraphEdge>();

  get nodes(): Iterable<GraphNode> {
    return this.#nodes.values();
  }

  get edges(): Iterable<GraphEdge> {
    return this.#edges.values();
  }

  get size(): { readonly nodes: number; readonly edges: number } {
    return { nodes: this.#nodes.size, edges: this.#edges.size };
  }

  /** That were seen, of all pairs. */
  get connections(): number {
    let sum = 0;
    for (const { attributes } of this.#edges.values())
      if (attributes.firstSeen !== undefined) sum += attributes.connections;
    return sum;
  }

  node(key: string): GraphNode | undefined {
    return this.#nodes.get(key);
  }

  edge(source: string, target: string): GraphEdge | undefined {
    return this.#edges.get(`${source} ${target}`);
  }

  edgesOf(key: string): GraphEdge[] {
    return [...this.#edges.values()].filter(({ source, target }) => source === key || target === key);
  }

  replace({ nodes, edges }: Pick<GraphView, 'nodes' | 'edges'>): void {
    this.#nodes.clear();
    this.#edges.clear();
    this.#add(nodes, edges);
  }

  /** Edges as they are now at the level `workload`; returns how many nodes and edges are new. */
  merge({ nodes, edges }: GraphChange): { readonly nodes: number; readonly edges: number } {
    const before = this.size;
    const ends = new Set(edges.flatMap(({ source, target }) => [source, target]));
    // nodes of the level of namespaces are told of in the same change
    this.#add(
      nodes.filter(({ key }) => ends.has(key)),
      edges,
    );
    const after = this.size;
    return { nodes: after.nodes - before.nodes, edges: after.edges - before.edges };
  }

  #add(nodes: readonly GraphNode[], edges: readonly GraphEdge[]): void {
    for (const node of nodes) this.#nodes.set(node.key, node);
    for (const edge of edges) this.#edges.set(`${edge.source} ${edge.target}`, edge);
  }
}
