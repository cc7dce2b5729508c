import type { GraphPicture, PictureEdge, PictureNode } from '../graph/exports/picture.ts';
import type { Connection } from '../model/connection.ts';
import type { EndpointId } from '../model/endpoint.ts';
import { connectionFilter, type GraphFilter } from './graph-filter.ts';
import { nodeOf, type NodeScope } from './graph-nodes.ts';
import type { NodeKind } from './graph-shape.ts';
import { PairTable } from './pair-table.ts';
import type { GraphWorld } from './graph-view.ts';
import { hiddenNumber, NodeNumbers } from './node-numbers.ts';

/** The same graph as `graphView`, for drawings in other formats; without what only a proposal grants. */
export function graphPicture(world: GraphWorld, scope: NodeScope, filter: GraphFilter): GraphPicture {
  const { graph, facts, states } = world;
  const numbers = new NodeNumbers(world, scope);
  const wanted = connectionFilter(graph, filter);
  const pairs = new PairTable();
  const connections: Connection[][] = [];
  for (let row = 0; row < graph.size; row++) {
    const ends = graph.endsAt(row);
    const [from, to] = [numbers.of(ends.from), numbers.of(ends.to)];
    if (from === hiddenNumber && to === hiddenNumber) continue;
    if (wanted?.(row, graph.summaryAt(row), states.indexAt(row)) === false) continue;
    (connections[pairs.open(from, to)] ??= []).push(graph.connectionAt(row));
  }
  const edges = connections.map((some, i): PictureEdge => {
    const [source, destination] = [pairs.source(i), pairs.target(i)].map((number) => idOf(numbers.key(number)));
    return { source: source as EndpointId, destination: destination as EndpointId, connections: some };
  });
  const keys = new Set(edges.flatMap(({ source, destination }) => [source, destination]));
  const nodes = [...keys].sort().map((id): PictureNode => {
    const { label, kind, namespace, of, dnsNames = [] } = nodeOf(id, facts).attributes;
    return { id, kind: kinds[kind], label, namespace, workloadKind: kind === 'workload' ? of : '', dnsNames };
  });
  return { nodes, edges };
}

/** Drawings know endpoints alone. */
const kinds: Readonly<Record<NodeKind, PictureNode['kind']>> = {
  namespace: 'workload',
  workload: 'workload',
  external: 'external',
  infrastructure: 'node',
  unknown: 'unknown',
  hidden: 'unknown',
};

function idOf(key: string): EndpointId {
  return key as EndpointId;
}
