import type { TrafficGraph } from '../graph/traffic-graph.ts';
import { endpointWords } from '../model/endpoint.ts';
import type { SearchHit } from './api-shape.ts';
import { connectionFilter, type GraphFilter } from './graph-filter.ts';
import type { WorkloadKey } from '../model/workload.ts';
import { parseWorkloadKey } from '../model/workload.ts';
import { EdgeSums } from './edge-sums.ts';
import type { ConnectionStates } from './connection-states.ts';
import type { GraphEdge, GraphView } from './graph-shape.ts';
import { hiddenKey, type NodeFacts, nodeKey, nodeOf, type NodeScope } from './graph-nodes.ts';
import { isoText } from './iso-text.ts';
import type { PairTable } from './pair-table.ts';
import { grantedEdges, type GrantedEdge } from './granted-edges.ts';

export interface GraphWorld {
  readonly graph: TrafficGraph;
  readonly states: ConnectionStates;
  readonly facts: NodeFacts;
  /** Ascending. */
  readonly workloads: readonly WorkloadKey[];
  readonly granted: readonly GrantedEdge[];
}

/**
 * The graph as one caller may see it, as the text of a `GraphView` in JSON, in pieces: written edge by edge, because making objects of a
 * large one and writing those takes several times as long.
 */
export function* graphText(
  world: GraphWorld,
  scope: NodeScope,
  filter: GraphFilter,
  position: string,
): Generator<string> {
  const { graph, facts, states } = world;
  const nodes = new NodeNumbers(world, scope);
  const sums = new EdgeSums();
  let connections = 0;
  let leftOut = 0;
  let [firstMs, lastMs] = [Number.POSITIVE_INFINITY, 0];
  const wanted = connectionFilter(graph, filter);
  for (let row = 0; row < graph.size; row++) {
    const summary = graph.summaryAt(row);
    const [from, to] = [nodes.of(summary.from), nodes.of(summary.to)];
    if (from === hiddenNumber && to === hiddenNumber) continue;
    const state = states.stateAt(row);
    if (!wanted(row, summary, state)) {
      leftOut++;
      continue;
    }
    connections++;
    if (summary.firstMs < firstMs) firstMs = summary.firstMs;
    if (summary.lastMs > lastMs) lastMs = summary.lastMs;
    sums.add(sums.open(from, to), summary, state);
  }
  const granted = isGrantWanted(filter) ? grantedEdges(world, scope, filter, nodes.edgesIn(sums.pairs)) : [];
  const keys = new Set<string>(granted.flatMap(({ source, target }) => [source, target]));
  const { pairs } = sums;
  for (let i = 0; i < pairs.size; i++) nodes.use(pairs.source(i)).use(pairs.target(i));
  for (const key of nodes.used()) keys.add(key);
  if (isWhole(filter)) for (const key of quietNodes(world, scope, filter)) keys.add(key);
  const head = {
    options: { type: 'directed', multi: false, allowSelfLoops: true },
    attributes: {
      name: 'nanoseg traffic graph',
      level: scope.level,
      position,
      firstSeen: connections === 0 ? null : isoText(firstMs),
      lastSeen: connections === 0 ? null : isoText(lastMs),
      connections,
      leftOut,
    },
    nodes: [...keys].sort().map((key) => nodeOf(key, facts)),
  } satisfies Omit<GraphView, 'edges'>;
  yield `${JSON.stringify(head).slice(0, -1)},"edges":[`;
  yield* edgeTexts(nodes, sums, granted);
  yield ']}';
}

/** Edges that are written in one piece: larger ones would outlive what is collected soon. */
const piece = 64;

function* edgeTexts(nodes: NodeNumbers, sums: EdgeSums, granted: readonly GraphEdge[]): Generator<string> {
  const quoted: string[] = [];
  const quote = (number: number) => (quoted[number] ??= JSON.stringify(nodes.key(number)));
  const { pairs } = sums;
  let text = '';
  for (let i = 0; i < pairs.size; i++) {
    const comma = i === 0 ? '' : ',';
    text += `${comma}{"source":${quote(pairs.source(i))},"target":${quote(pairs.target(i))},"attributes":${sums.text(i)}}`;
    if (i % piece < piece - 1) continue;
    yield text;
    text = '';
  }
  for (const [i, edge] of granted.entries()) text += `${i + pairs.size === 0 ? '' : ','}${JSON.stringify(edge)}`;
  yield text;
}

/** The number of what the caller may not see. */
export const hiddenNumber = 0;
/** Numbers instead of the keys of nodes, found by the number of an endpoint. */
export class NodeNumbers {
  readonly #world: GraphWorld;
  readonly #scope: NodeScope;
  readonly #byEndpoint: Int32Array;
  readonly #byKey = new Map<string, number>([[hiddenKey, hiddenNumber]]);
  readonly #keys: string[] = [hiddenKey];
  readonly #used: boolean[] = [];

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

  use(number: number): this {
    this.#used[number] = true;
    return this;
  }

  used(): string[] {
    return this.#keys.filter((_, number) => this.#used[number] === true);
  }

  /** Whether there is an edge between two keys. */
  edgesIn(pairs: PairTable): (source: string, target: string) => boolean {
    return (source, target) => {
      const [from, to] = [this.#byKey.get(source), this.#byKey.get(target)];
      return from !== undefined && to !== undefined && pairs.find(from, to) !== undefined;
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
