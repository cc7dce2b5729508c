export interface LayoutNode {
  readonly key: string;
  readonly x: number;
  readonly y: number;
  readonly size: number;
  readonly fixed?: boolean;
}

export interface LayoutEdge {
  readonly source: string;
  readonly target: string;
  readonly weight: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface LayoutTerms {
  readonly iterations: number;
  /** Whether sizes keep nodes apart. */
  readonly sized: boolean;
}

export interface Layout {
  /** Where the nodes come to lie; the same for the same input. Edges to unknown nodes are passed over. */
  run(
    nodes: readonly LayoutNode[],
    edges: readonly LayoutEdge[],
    terms: LayoutTerms,
  ): Promise<ReadonlyMap<string, Point>>;
}
