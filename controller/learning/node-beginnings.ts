import type { Cluster } from '../model/cluster.ts';

/** What an inventory says of how long a node has existed. */
export interface NodeBeginning {
  /** It existed then, in ms since 1970: it was made, or a pod on it began. Infinite where nothing says so. */
  readonly knownMs: number;
  /** Whether the inventory knows when it was made: then it did not exist before, unless something was seen of it. */
  readonly made: boolean;
}

/** Of the nodes that the inventory knows, by their own objects or by a pod on them. */
export function nodeBeginnings({ nodes, pods }: Pick<Cluster, 'nodes' | 'pods'>): ReadonlyMap<string, NodeBeginning> {
  const beginnings = new Map<string, NodeBeginning>();
  for (const { name, createdMs } of nodes) {
    if (createdMs !== undefined) beginnings.set(name, { knownMs: createdMs, made: true });
  }
  for (const { node, startMs, virtual } of pods) {
    if (node === undefined || virtual) continue;
    const { knownMs = Number.POSITIVE_INFINITY, made = false } = beginnings.get(node) ?? {};
    // a pod that nobody knows the start of says nothing against a node that was made later
    const begunMs = startMs ?? (made ? knownMs : Number.NEGATIVE_INFINITY);
    beginnings.set(node, { knownMs: Math.min(knownMs, begunMs), made });
  }
  return beginnings;
}
