import type { GraphPicture, PictureEdge, PictureNode } from './picture.ts';
import { portsText } from './picture.ts';

/** Node attributes of the exports; `kind` and not `type`, which renderers reserve. */
export function nodeAttributes({ kind, label, namespace, workloadKind, dnsNames }: PictureNode) {
  return { label, kind, namespace, workloadKind, dnsNames };
}

/** Edge attributes of the exports: sums over the connections of the pair. */
export function edgeAttributes({ connections }: PictureEdge) {
  const sum = (field: 'allowed' | 'denied' | 'audited' | 'bytes') =>
    connections.reduce((total, { evidence }) => total + evidence[field], 0);
  return {
    label: portsText(connections),
    allowed: sum('allowed'),
    denied: sum('denied'),
    audited: sum('audited'),
    bytes: sum('bytes'),
    firstSeen: new Date(Math.min(...connections.map(({ evidence }) => evidence.firstMs))).toISOString(),
    lastSeen: new Date(Math.max(...connections.map(({ evidence }) => evidence.lastMs))).toISOString(),
  };
}

export function edgeKey({ source, destination }: PictureEdge): string {
  return `${source}>${destination}`;
}

/**
 * JSON in graphology's own export format (`Graph.from` reads it), a line per node and edge; each edge has its
 * connections with all evidence in the attribute `connections`.
 */
export function* graphJson({ nodes, edges }: GraphPicture): Generator<string> {
  const options = { type: 'directed', multi: false, allowSelfLoops: true };
  yield `{"options":${JSON.stringify(options)},"attributes":{"name":"nanoseg traffic graph"},"nodes":[`;
  for (const [i, node] of nodes.entries()) {
    yield `${i === 0 ? '' : ','}\n${JSON.stringify({ key: node.id, attributes: nodeAttributes(node) })}`;
  }
  yield '\n],"edges":[';
  for (const [i, edge] of edges.entries()) {
    const connections = edge.connections.map(({ id, protocol, port, directed, evidence }) => ({
      id,
      protocol,
      port,
      directed,
      ...evidence,
    }));
    const { source, destination: target } = edge;
    const entry = { key: edgeKey(edge), source, target, attributes: { ...edgeAttributes(edge), connections } };
    yield `${i === 0 ? '' : ','}\n${JSON.stringify(entry)}`;
  }
  yield '\n]}\n';
}
