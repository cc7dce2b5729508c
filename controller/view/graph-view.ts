import type { ConnectionSummary, TrafficGraph } from '../graph/traffic-graph.ts';
import { type Endpoint, isApiServer } from '../model/endpoint.ts';
import type { WorkloadKey } from '../model/workload.ts';
import { parseWorkloadKey } from '../model/workload.ts';
import { EdgeSum } from './edge-sum.ts';
import type { ConnectionStates } from './connection-states.ts';
import type { ConnectionState, GraphEdge, GraphView } from './graph-shape.ts';
import { hiddenKey, type NodeFacts, nodeKey, nodeOf, type NodeScope } from './graph-nodes.ts';
import { grantedEdges, type GrantedEdge } from './granted-edges.ts';

/** What the caller wants to see; each part that is absent leaves nothing out. */
export interface GraphFilter {
  readonly namespaces?: ReadonlySet<string>;
  readonly workloads?: ReadonlySet<string>;
  /** IANA numbers. */
  readonly protocols?: ReadonlySet<number>;
  readonly states?: ReadonlySet<ConnectionState>;
  /** Milliseconds since 1970; seen at some time in between. */
  readonly sinceMs?: number;
  readonly untilMs?: number;
}

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
  const wanted = connectionFilter(world, filter);
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

type Wanted = (row: number, summary: ConnectionSummary, state: ConnectionState) => boolean;

function connectionFilter({ graph }: GraphWorld, filter: GraphFilter): Wanted {
  const { namespaces, workloads, protocols, states, sinceMs = 0, untilMs = Number.POSITIVE_INFINITY } = filter;
  const fits = namespaces || workloads ? endpointFilter(graph, namespaces, workloads) : undefined;
  const timed = sinceMs > 0 || untilMs !== Number.POSITIVE_INFINITY;
  return (row, { from, to, protocol, firstMs, lastMs }, state) => {
    if (protocols && !protocols.has(protocol)) return false;
    if (states && !states.has(state)) return false;
    if (fits && !fits(from, to)) return false;
    if (!timed) return true;
    if (lastMs < sinceMs || firstMs > untilMs) return false;
    if (lastMs <= untilMs || firstMs >= sinceMs) return true;
    const { bins, binMs } = graph.connectionAt(row).evidence;
    return bins.some((startMs) => startMs <= untilMs && startMs + binMs > sinceMs);
  };
}

function endpointFilter(
  graph: TrafficGraph,
  namespaces: ReadonlySet<string> | undefined,
  workloads: ReadonlySet<string> | undefined,
): (from: number, to: number) => boolean {
  const isIn = endpointMemory(graph, (endpoint) => namespaces === undefined || namespaces.has(namespaceOf(endpoint)));
  const isOne = endpointMemory(
    graph,
    (endpoint) => workloads === undefined || (endpoint.kind === 'workload' && workloads.has(endpoint.workload)),
  );
  return (from, to) => (isIn(from) || isIn(to)) && (isOne(from) || isOne(to));
}

function endpointMemory(graph: TrafficGraph, test: (endpoint: Endpoint) => boolean): (position: number) => boolean {
  const known = new Uint8Array(graph.endpointCount);
  return (position) => {
    if (known[position] === 0) known[position] = test(graph.endpointAt(position)) ? 2 : 1;
    return known[position] === 2;
  };
}

/** Empty for what is in no namespace. */
export function namespaceOf(endpoint: Endpoint): string {
  switch (endpoint.kind) {
    case 'workload':
      return parseWorkloadKey(endpoint.workload).namespace;
    case 'service':
      return isApiServer(endpoint) ? '' : endpoint.namespace;
    case 'node':
    case 'external':
    case 'unknown':
      return '';
  }
}
