import type { TrafficGraph } from '../graph/traffic-graph.ts';
import { endpointWords } from '../model/endpoint.ts';
import type { SearchHit } from './api-shape.ts';
import { connectionFilter, type GraphFilter } from './graph-filter.ts';
import type { WorkloadKey } from '../model/workload.ts';
import { parseWorkloadKey } from '../model/workload.ts';
import type { ConnectionStates } from './connection-states.ts';
import { hiddenKey, type NodeFacts, nodeKey, nodeOf, type NodeScope } from './graph-nodes.ts';
import type { GrantedEdge } from './granted-edges.ts';
import { hiddenNumber, NodeNumbers } from './node-numbers.ts';

export interface GraphWorld {
  readonly graph: TrafficGraph;
  readonly states: ConnectionStates;
  readonly facts: NodeFacts;
  /** Ascending. */
  readonly workloads: readonly WorkloadKey[];
  readonly granted: readonly GrantedEdge[];
}

/** The rows of connections between two nodes, of which the caller may see both sides. */
export function connectionsBetween(
  world: GraphWorld,
  scope: NodeScope,
  filter: GraphFilter,
  source: string,
  target: string,
): number[] {
  const { graph, states } = world;
  const nodes = new NodeNumbers(world, scope);
  const wanted = connectionFilter(graph, filter);
  const found: number[] = [];
  for (let row = 0; row < graph.size; row++) {
    const ends = graph.endsAt(row);
    const [from, to] = [nodes.of(ends.from), nodes.of(ends.to)];
    if (from === hiddenNumber || to === hiddenNumber || nodes.key(from) !== source || nodes.key(to) !== target)
      continue;
    if (wanted?.(row, graph.summaryAt(row), states.indexAt(row)) !== false) found.push(row);
  }
  return found;
}

/** Nodes with the text in their names, addresses or DNS names; what begins with it first. */
export function matchingNodes(world: GraphWorld, scope: NodeScope, text: string, most: number): SearchHit[] {
  const { graph, facts } = world;
  const wanted = text.toLowerCase();
  const keys = new Map<string, boolean>();
  const look = (key: string, words: string) => {
    const at = words.toLowerCase().indexOf(wanted);
    if (at >= 0) keys.set(key, (keys.get(key) ?? false) || at === 0);
  };
  for (const [namespace] of facts.workloadsIn) {
    if (scope.maySee(namespace)) look(`namespace:${namespace}`, namespace);
  }
  for (const workload of world.workloads) {
    const key = nodeKey({ kind: 'workload', workload }, scope, facts);
    if (key !== hiddenKey) {
      look(key, parseWorkloadKey(workload).name);
      look(key, workload);
    }
  }
  for (let position = 0; position < graph.endpointCount; position++) {
    const endpoint = graph.endpointAt(position);
    const key = nodeKey(endpoint, scope, facts);
    if (key === hiddenKey) continue;
    look(key, endpointWords(endpoint));
    for (const name of facts.dnsNamesOf(endpoint)) look(key, name);
  }
  const found = [...keys].sort(([a, first], [b, second]) => Number(second) - Number(first) || (a < b ? -1 : 1));
  return found.slice(0, most).map(([key]) => {
    const { label, kind, namespace } = nodeOf(key, facts).attributes;
    return { key, label, kind, namespace };
  });
}
