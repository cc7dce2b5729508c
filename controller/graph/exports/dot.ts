import { type GraphPicture, type PictureNode, type StrokeKind, strokesOf } from './picture.ts';

const shapes: Readonly<Record<PictureNode['kind'], string>> = {
  workload: 'box',
  node: 'box3d',
  service: 'component',
  external: 'ellipse',
  unknown: 'diamond',
};

const styles: Readonly<Record<StrokeKind, string>> = {
  passed: '',
  denied: ', style=dashed, color=red, fontcolor=red',
  undirected: ', style=dotted, dir=none',
};

/** Graphviz: workloads in a box per namespace, ports on the arrows; denied attempts dashed and red. */
export function* graphDot({ nodes, edges }: GraphPicture): Generator<string> {
  yield 'digraph traffic {\n  rankdir=LR;\n  node [fontname="sans-serif"];\n  edge [fontname="sans-serif", fontsize=10];\n';
  const namespaces = Map.groupBy(nodes, ({ namespace }) => namespace);
  for (const [namespace, members] of [...namespaces].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const indent = namespace === '' ? '  ' : '    ';
    if (namespace !== '') yield `  subgraph ${quoted(`cluster_${namespace}`)} {\n    label=${quoted(namespace)};\n`;
    for (const { id, kind, label, workloadKind } of members) {
      const lines = workloadKind === '' ? [label] : [label, workloadKind];
      yield `${indent}${quoted(id)} [shape=${shapes[kind]}, label=${lines.map(escaped).join('\\n').replace(/^|$/g, '"')}];\n`;
    }
    if (namespace !== '') yield '  }\n';
  }
  for (const edge of edges) {
    for (const { kind, label } of strokesOf(edge)) {
      yield `  ${quoted(edge.source)} -> ${quoted(edge.destination)} [label=${quoted(label)}${styles[kind]}];\n`;
    }
  }
  yield '}\n';
}

function quoted(text: string): string {
  return `"${escaped(text)}"`;
}

/** Inside of double quotes: a backslash would begin an escape (`\N`, `\G`), control characters end the line. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll(/\p{Cc}+/gu, ' ');
}
