import type { TrafficGraph } from '../graph/traffic-graph.ts';
import { endpointWords } from '../model/endpoint.ts';
import type { SearchHit } from './api-shape.ts';
import { connectionFilter, type GraphFilter } from './graph-filter.ts';
import type { WorkloadKey } from '../model/workload.ts';
import { parseWorkloadKey } from '../model/workload.ts';
import { EdgeSum } from './edge-sum.ts';
import type { ConnectionStates } from './connection-states.ts';
import type { GraphEdge, GraphView } from './graph-shape.ts';
import { hiddenKey, type NodeFacts, nodeKey, nodeOf, type NodeScope } from './graph-nodes.ts';
import { grantedEdges, type GrantedEdge } from './granted-edges.ts';

export interface GraphWorld {
  readonly graph: TrafficGraph;
  readonly states: ConnectionStates;
  readonly facts: NodeFacts;
  /** Ascending. */
  readonly workloads: readonly WorkloadKey[];
  readonly granted: readonly GrantedEdge[];
}

/** The graph as one caller may see it, with everything that was seen in the time asked for. */
export function graphView(world: GraphWorld, scope: NodeScope, filter: GraphFilter, position: string): GraphView {
  const { graph, facts } = world;
  const nodes = new NodeNumbers(world, scope);
  const sums = new Map<number, EdgeSum>();
  let connections = 0;
  let leftOut = 0;
  let [firstMs, lastMs] = [Number.POSITIVE_INFINITY, 0];
  const wanted = connectionFilter(graph, filter);
  for (let row = 0; row < graph.size; row++) {
    const summary = graph.summaryAt(row);
    const [from, to] = [nodes.of(summary.from), nodes.of(summary.to)];
    if (from === hiddenNumber && to === hiddenNumber) continue;
    const state = world.states.stateAt(row);
    if (!wanted(row, summary, state)) {
      leftOut++;
      continue;
    }
    connections++;
    if (summary.firstMs < firstMs) firstMs = summary.firstMs;
    if (summary.lastMs > lastMs) lastMs = summary.lastMs;
    const pair = pairNumber(from, to);
    let sum = sums.get(pair);
    if (sum === undefined) sums.set(pair, (sum = new EdgeSum()));
    sum.add(summary, state);
  }
  const edges: GraphEdge[] = [];
  for (const [pair, sum] of sums) {
    const { from, to } = pairOf(pair);
    edges.push({ source: nodes.key(from), target: nodes.key(to), attributes: sum.attributes() });
  }
  const granted = isGrantWanted(filter) ? grantedEdges(world, scope, filter, nodes.edgesIn(sums)) : [];
  const keys = new Set<string>([
    ...edges.flatMap(({ source, target }) => [source, target]),
    ...granted.flatMap(({ source, target }) => [source, target]),
    ...(isWhole(filter) ? quietNodes(world, scope, filter) : []),
  ]);
  return {
    options: { type: 'directed', multi: false, allowSelfLoops: true },
    attributes: {
      name: 'nanoseg traffic graph',
      level: scope.level,
      position,
      firstSeen: connections === 0 ? null : new Date(firstMs).toISOString(),
      lastSeen: connections === 0 ? null : new Date(lastMs).toISOString(),
      connections,
      leftOut,
    },
    nodes: [...keys].sort().map((key) => nodeOf(key, facts)),
    edges: [...edges, ...granted],
  };
}

/** The number of what the caller may not see. */
export const hiddenNumber = 0;
/** Two numbers of nodes in the 53 bits that a number keeps exactly. */
const numberLimit = 2 ** 26;

export function pairNumber(from: number, to: number): number {
  return from * numberLimit + to;
}

export function pairOf(pair: number): { readonly from: number; readonly to: number } {
  return { from: Math.floor(pair / numberLimit), to: pair % numberLimit };
}

/** Numbers instead of the keys of nodes, found by the number of an endpoint. */
export class NodeNumbers {
  readonly #world: GraphWorld;
  readonly #scope: NodeScope;
  readonly #byEndpoint: Int32Array;
  readonly #byKey = new Map<string, number>([[hiddenKey, hiddenNumber]]);
  readonly #keys: string[] = [hiddenKey];

  constructor(world: GraphWorld, scope: NodeScope) {
    this.#world = world;
    this.#scope = scope;
    this.#byEndpoint = new Int32Array(world.graph.endpointCount).fill(-1);
  }

  of(position: number): number {
    const known = this.#byEndpoint[position] as number;
    if (known >= 0) return known;
    const key = nodeKey(this.#world.graph.endpointAt(position), this.#scope, this.#world.facts);
    let number = this.#byKey.get(key);
    if (number === undefined) {
      number = this.#keys.push(key) - 1;
      this.#byKey.set(key, number);
    }
    this.#byEndpoint[position] = number;
    return number;
  }

  key(number: number): string {
    return this.#keys[number] as string;
  }

  /** Whether there is an edge between two keys. */
  edgesIn(pairs: ReadonlyMap<number, unknown>): (source: string, target: string) => boolean {
    return (source, target) => {
      const [from, to] = [this.#byKey.get(source), this.#byKey.get(target)];
      return from !== undefined && to !== undefined && pairs.has(pairNumber(from, to));
    };
  }
}

function isWhole({ workloads, protocols, states, sinceMs, untilMs }: GraphFilter): boolean {
  return [workloads, protocols, states, sinceMs, untilMs].every((part) => part === undefined);
}

function isGrantWanted({ states, protocols, sinceMs, untilMs }: GraphFilter): boolean {
  const timed = sinceMs !== undefined || untilMs !== undefined;
  return !timed && protocols === undefined && (states === undefined || states.has('over-grant'));
}

/** Workloads of which nothing was seen are there too. */
function* quietNodes(
  { workloads, facts }: GraphWorld,
  scope: NodeScope,
  { namespaces }: GraphFilter,
): Iterable<string> {
  for (const workload of workloads) {
    const { namespace } = parseWorkloadKey(workload);
    if (!scope.maySee(namespace) || (namespaces && !namespaces.has(namespace))) continue;
    yield nodeKey({ kind: 'workload', workload }, scope, facts);
  }
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
    if (wanted(row, graph.summaryAt(row), states.stateAt(row))) found.push(row);
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
