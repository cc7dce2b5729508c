import iterate from 'graphology-layout-forceatlas2/iterate.js';

/**
 * One run of ForceAtlas2. `nodes` has 10 numbers a node, as graphology's implementation wants them: x, y, four for its own
 * use, mass, convergence, size, fixed (0 or 1); `edges` has 3: offsets of source and target in `nodes`, weight.
 */
export interface LayoutTask {
  readonly id: number;
  readonly nodes: Float32Array<ArrayBuffer>;
  readonly edges: Float32Array<ArrayBuffer>;
  readonly iterations: number;
  /** Whether sizes keep nodes apart. */
  readonly sized: boolean;
}

export interface LayoutResult {
  readonly id: number;
  /** As in the task, with x and y as they came out. */
  readonly nodes: Float32Array<ArrayBuffer>;
}

// the library of the page knows no worker's scope
const scope = self as unknown as {
  onmessage: (event: MessageEvent<LayoutTask>) => void;
  postMessage(result: LayoutResult, transfer: Transferable[]): void;
};

scope.onmessage = ({ data: { id, nodes, edges, iterations, sized } }) => {
  const count = nodes.length / 10;
  const settings = {
    linLogMode: false,
    outboundAttractionDistribution: false,
    adjustSizes: sized,
    edgeWeightInfluence: 1,
    scalingRatio: sized ? 12 : 6,
    strongGravityMode: true,
    gravity: sized ? 0.06 : 0.12,
    slowDown: 2 + Math.log(count + 1),
    barnesHutOptimize: count > 400 && !sized,
    barnesHutTheta: 0.7,
  };
  for (let i = 0; i < iterations; i++) iterate(settings, nodes, edges);
  scope.postMessage({ id, nodes }, [nodes.buffer]);
};
