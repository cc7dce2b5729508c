import type { ConnectionState, GraphEdge, GraphNode } from '../../../../view/graph-shape.ts';
import { statesByUrgency } from '../drawing/state-looks.ts';

/** A node of the graph as a row of a table. */
export interface NodeRow {
  readonly node: GraphNode;
  /** Others that it talks to, and that talk to it. */
  readonly to: number;
  readonly from: number;
  readonly connections: number;
  /** The most urgent state of its connections. */
  readonly state: ConnectionState | undefined;
}

/** All nodes, by namespace and name; what stands apart from the namespaces comes last. */
export function nodeRows(nodes: Iterable<GraphNode>, edges: Iterable<GraphEdge>): NodeRow[] {
  const rows = new Map([...nodes].map((node) => [node.key, { to: 0, from: 0, connections: 0, urgency: -1, node }]));
  const urgencies = new Map(statesByUrgency.map((state, i) => [state, statesByUrgency.length - i]));
  for (const { source, target, attributes } of edges) {
    const urgency = urgencies.get(attributes.state) ?? 0;
    const [out, back] = [rows.get(source), rows.get(target)];
    if (out !== undefined) out.to += source === target ? 0 : 1;
    if (back !== undefined) back.from += source === target ? 0 : 1;
    for (const row of new Set([out, back])) {
      if (row === undefined) continue;
      row.connections += attributes.connections;
      row.urgency = Math.max(row.urgency, urgency);
    }
  }
  return [...rows.values()]
    .map(({ urgency, ...row }) => ({ ...row, state: statesByUrgency[statesByUrgency.length - urgency] }))
    .sort((a, b) => (orderOf(a.node) < orderOf(b.node) ? -1 : 1));
}

function orderOf({ attributes: { namespace, kind, label } }: GraphNode): string {
  return `${namespace === '' ? '~' : namespace} ${kind === 'namespace' ? '' : kind} ${label}`;
}
