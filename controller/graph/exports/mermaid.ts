import { type GraphPicture, type PictureNode, type StrokeKind, strokesOf } from './picture.ts';

const arrows: Readonly<Record<StrokeKind, string>> = { passed: '-->', denied: '-.->', undirected: '---' };

const brackets: Readonly<Record<PictureNode['kind'], readonly [string, string]>> = {
  workload: ['[', ']'],
  node: ['[[', ']]'],
  service: ['(', ')'],
  external: ['([', '])'],
  unknown: ['{', '}'],
};

/** A Mermaid flow chart: workloads in a subgraph per namespace, ports on the arrows; denied attempts dotted. */
export function* graphMermaid({ nodes, edges }: GraphPicture): Generator<string> {
  yield 'flowchart LR\n';
  // Ids may hold characters that Mermaid has no quotes for: numbers in canonical order stand for them.
  const names = new Map(nodes.map(({ id }, i) => [id, `n${i}`]));
  const namespaces = Map.groupBy(nodes, ({ namespace }) => namespace);
  let section = 0;
  for (const [namespace, members] of [...namespaces].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (namespace !== '') yield `  subgraph ns${section++}["${escaped(namespace)}"]\n`;
    for (const { id, kind, label } of members) {
      const [open, close] = brackets[kind];
      yield `${namespace === '' ? '  ' : '    '}${names.get(id)}${open}"${escaped(label)}"${close}\n`;
    }
    if (namespace !== '') yield '  end\n';
  }
  for (const edge of edges) {
    for (const { kind, label } of strokesOf(edge)) {
      yield `  ${names.get(edge.source)} ${arrows[kind]}|"${escaped(label)}"| ${names.get(edge.destination)}\n`;
    }
  }
}

/** Mermaid's own entities, by code point; everything that is markup to Mermaid or HTML becomes one. */
function escaped(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ').replaceAll(/[#"&<>`\\|]/g, (character) => `#${character.codePointAt(0)};`);
}
