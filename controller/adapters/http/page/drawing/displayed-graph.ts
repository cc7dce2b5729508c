import {
  type ConnectionState,
  connectionStates,
  type GraphEdge,
  type GraphNode,
} from '../../../../view/graph-shape.ts';
import { type Group, type GroupKey, groupOfNode, groupsOf } from './groups.ts';

/** A node as it is drawn: of the graph, or a group that is closed. */
export interface DisplayedNode {
  readonly key: string;
  readonly label: string;
  readonly group: GroupKey;
  /** Undefined: a closed group. */
  readonly node: GraphNode | undefined;
}

export interface DisplayedEdge {
  readonly key: string;
  readonly source: string;
  readonly target: string;
  readonly state: ConnectionState;
  /** Connections of this state. */
  readonly connections: number;
  readonly ports: string;
  readonly undirected: boolean;
}

export interface DisplayedGraph {
  readonly groups: ReadonlyMap<GroupKey, Group>;
  readonly open: ReadonlySet<GroupKey>;
  readonly nodes: ReadonlyMap<string, DisplayedNode>;
  readonly edges: readonly DisplayedEdge[];
  /** By the key of each node: what stands for it in the picture. */
  readonly standsFor: ReadonlyMap<string, string>;
}

/** Above so many pairs, each is drawn as one line, in its most urgent state. */
const pairsInDetail = 1500;

/**
 * Nodes of open groups, groups that are closed, and between them an edge for each state. A namespace that the server told of
 * only as a whole stays closed.
 */
export function displayedGraph(
  told: { readonly nodes: Iterable<GraphNode>; readonly edges: Iterable<GraphEdge> },
  wanted: (group: Group) => boolean,
): DisplayedGraph {
  const all = [...told.nodes];
  const groups = groupsOf(all);
  const whole = new Set(all.filter(({ attributes }) => attributes.kind === 'namespace').map(groupOfNode));
  const open = new Set(
    [...groups.values()].filter((group) => !whole.has(group.key) && wanted(group)).map(({ key }) => key),
  );
  const nodes = new Map<string, DisplayedNode>();
  const standsFor = new Map<string, string>();
  for (const node of all) {
    const group = groupOfNode(node);
    standsFor.set(node.key, open.has(group) ? node.key : group);
    if (open.has(group)) nodes.set(node.key, { key: node.key, label: node.attributes.label, group, node });
  }
  for (const { key, label } of groups.values()) {
    if (!open.has(key)) nodes.set(key, { key, label, group: key, node: undefined });
  }
  const pairs = new Map<string, Pair>();
  for (const edge of told.edges) {
    const [source, target] = [standsFor.get(edge.source), standsFor.get(edge.target)];
    if (source !== undefined && target !== undefined && source !== target) addTo(pairs, source, target, edge);
  }
  const one = pairs.size > pairsInDetail;
  return { groups, open, nodes, edges: [...pairs.values()].flatMap((pair) => linesOf(pair, one)), standsFor };
}

interface Pair {
  readonly source: string;
  readonly target: string;
  readonly states: Map<ConnectionState, number>;
  readonly ports: Set<string>;
  directed: boolean;
}

function addTo(pairs: Map<string, Pair>, source: string, target: string, { attributes }: GraphEdge): void {
  const key = `${source} ${target}`;
  let pair = pairs.get(key);
  if (pair === undefined)
    pairs.set(key, (pair = { source, target, states: new Map(), ports: new Set(), directed: false }));
  const states = attributes.states ?? { [attributes.state]: attributes.connections };
  for (const state of connectionStates) {
    const count = states[state] ?? 0;
    if (count > 0) pair.states.set(state, (pair.states.get(state) ?? 0) + count);
  }
  if (pair.ports.size < 4) pair.ports.add(attributes.ports);
  if (attributes.undirected !== true) pair.directed = true;
}

function linesOf({ source, target, states, ports, directed }: Pair, one: boolean): DisplayedEdge[] {
  const found = connectionStates.filter((state) => states.has(state));
  const shown = one ? found.slice(-1) : found;
  return shown.map((state) => ({
    key: `${source} ${target} ${state}`,
    source,
    target,
    state,
    connections: states.get(state) ?? 0,
    ports: [...ports].join('; '),
    undirected: !directed,
  }));
}
