import type { GraphNode, NodeKind } from '../../../../view/graph-shape.ts';

/** What is drawn as one until it is opened: a namespace, or all that stands apart from the namespaces. */
export type GroupKey = string;

export interface Group {
  readonly key: GroupKey;
  readonly label: string;
  readonly kind: 'namespace' | 'external' | 'infrastructure' | 'unknown' | 'hidden';
  /** Nodes that are drawn when it is open; at least 1. */
  readonly size: number;
}

function groupOf(kind: NodeKind, namespace: string): GroupKey {
  switch (kind) {
    case 'namespace':
    case 'workload':
      return `namespace:${namespace}`;
    case 'external':
    case 'infrastructure':
    case 'unknown':
    case 'hidden':
      return kind;
  }
}

export function groupOfNode({ attributes: { kind, namespace } }: GraphNode): GroupKey {
  return groupOf(kind, namespace);
}

const apart: Readonly<Record<Exclude<NodeKind, 'namespace' | 'workload'>, string>> = {
  external: 'External networks',
  infrastructure: 'Infrastructure',
  unknown: 'Unknown addresses',
  hidden: 'Not yours to see',
};

/** The groups of nodes, in a stable order; a node that stands for a namespace counts as all of its workloads. */
export function groupsOf(nodes: Iterable<GraphNode>): Map<GroupKey, Group> {
  const groups = new Map<GroupKey, Group>();
  for (const node of nodes) {
    const key = groupOfNode(node);
    const { kind, namespace, workloads } = node.attributes;
    const size = (groups.get(key)?.size ?? 0) + (kind === 'namespace' ? Math.max(1, workloads) : 1);
    if (kind === 'namespace' || kind === 'workload')
      groups.set(key, { key, label: namespace, kind: 'namespace', size });
    else groups.set(key, { key, label: apart[kind], kind, size });
  }
  return new Map([...groups].sort(([a], [b]) => (a < b ? -1 : 1)));
}
