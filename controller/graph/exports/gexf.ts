import { DirectedGraph } from 'graphology';
import { write } from 'graphology-gexf';
import { edgeAttributes, edgeKey, nodeAttributes } from './graphology-json.ts';
import type { GraphPicture } from './picture.ts';

/** GEXF 1.3, as Gephi reads it; weights are connections that passed. One text: for graphs that a person would open. */
export function graphGexf({ nodes, edges }: GraphPicture): string {
  const graph = new DirectedGraph();
  for (const node of nodes) {
    const { label, dnsNames, ...rest } = nodeAttributes(node);
    graph.addNode(writable(node.id), { label: writable(label), ...rest, dnsNames: writable(dnsNames.join(' ')) });
  }
  for (const edge of edges) {
    const attributes = edgeAttributes(edge);
    const weight = Math.max(1, attributes.allowed + attributes.audited);
    const [key, source, target] = [edgeKey(edge), edge.source, edge.destination].map(writable);
    graph.addDirectedEdgeWithKey(key, source, target, { ...attributes, weight });
  }
  return `${write(graph, { version: '1.3' })}\n`;
}

/** What XML cannot hold, not even escaped, by its code point: controls, lone surrogates, two non-characters. */
function writable(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Cs}\ufffe\uffff\\]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}
