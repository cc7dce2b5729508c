import { parseWorkloadKey } from '../model/workload.ts';
import { EdgeSums } from './edge-sums.ts';
import { grantedEdges } from './granted-edges.ts';
import { connectionFilter, type GraphFilter } from './graph-filter.ts';
import { nodeKey, nodeOf, type NodeScope } from './graph-nodes.ts';
import type { GraphEdge, GraphView } from './graph-shape.ts';
import type { GraphWorld } from './graph-view.ts';
import { hiddenNumber, NodeNumbers } from './node-numbers.ts';
import { bytesOf, TextRoom } from './text-room.ts';

/** Connections, nodes and edges that are gone through in one step: a fraction of a millisecond. */
const stepConnections = 4_096;
const stepNodes = 128;
const stepEdges = 1_024;

/**
 * Writes the graph as one caller may see it into a room, as a `GraphView` in JSON, step by step: whoever takes the steps may take what is
 * written out of the room after each, and may let others have their turn. What was seen in between is in it or is not; events after
 * `position`, which is to be of before the first step, tell it in any case. Bytes are written edge by edge from columns of numbers, because
 * making objects of a large graph and writing those takes several times as long.
 */
export function* graphText(
  world: GraphWorld,
  scope: NodeScope,
  filter: GraphFilter,
  position: string,
  room: TextRoom,
): Generator<void> {
  const { facts } = world;
  const nodes = new NodeNumbers(world, scope);
  const sums = new EdgeSums(scope.level === 'workload' ? Math.max(64, world.graph.size) : undefined);
  const spans = { connections: 0, leftOut: 0, firstMs: Number.POSITIVE_INFINITY, lastMs: 0 };
  yield* summing(world, filter, nodes, sums, spans);
  const granted = isGrantWanted(filter) ? grantedEdges(world, scope, filter, nodes.edgesIn(sums.pairs)) : [];
  const keys = nodeKeys(world, scope, filter, nodes, sums, granted);
  yield;
  const { connections, leftOut, firstMs, lastMs } = spans;
  const head = {
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
  } satisfies Omit<GraphView, 'nodes' | 'edges'>;
  room.text(`${JSON.stringify(head).slice(0, -1)},"nodes":[`);
  for (const [i, key] of keys.entries()) {
    room.text(`${i === 0 ? '' : ','}${JSON.stringify(nodeOf(key, facts))}`);
    if (i % stepNodes === stepNodes - 1) yield;
  }
  room.text('],"edges":[');
  yield* edgeTexts(nodes, sums, granted, room);
  room.text(']}');
}

interface Spans {
  connections: number;
  leftOut: number;
  firstMs: number;
  lastMs: number;
}

function* summing(
  { graph, states }: GraphWorld,
  filter: GraphFilter,
  nodes: NodeNumbers,
  sums: EdgeSums,
  spans: Spans,
): Generator<void> {
  const wanted = connectionFilter(graph, filter);
  // those that come while this goes on may have endpoints without a number
  const { size } = graph;
  for (let row = 0; row < size; row++) {
    if (row % stepConnections === stepConnections - 1) yield;
    const summary = graph.summaryAt(row);
    const [from, to] = [nodes.of(summary.from), nodes.of(summary.to)];
    if (from === hiddenNumber && to === hiddenNumber) continue;
    const state = states.indexAt(row);
    if (wanted !== undefined && !wanted(row, summary, state)) {
      spans.leftOut++;
      continue;
    }
    spans.connections++;
    if (summary.firstMs < spans.firstMs) spans.firstMs = summary.firstMs;
    if (summary.lastMs > spans.lastMs) spans.lastMs = summary.lastMs;
    sums.add(sums.open(from, to), summary, state);
  }
}

/** Ascending. */
function nodeKeys(
  world: GraphWorld,
  scope: NodeScope,
  filter: GraphFilter,
  nodes: NodeNumbers,
  { pairs }: EdgeSums,
  granted: readonly GraphEdge[],
): string[] {
  // those come ascending, and what is sorted for the most part is sorted soon
  const keys = new Set<string>(isWhole(filter) ? quietNodes(world, scope, filter) : []);
  const used = new Uint8Array(nodes.size);
  for (let i = 0; i < pairs.size; i++) used[pairs.source(i)] = used[pairs.target(i)] = 1;
  for (let number = 0; number < used.length; number++) if (used[number] === 1) keys.add(nodes.key(number));
  for (const { source, target } of granted) keys.add(source).add(target);
  return [...keys].sort();
}

const parts = {
  first: bytesOf('{"source":'),
  next: bytesOf(',{"source":'),
  target: bytesOf(',"target":'),
  attributes: bytesOf(',"attributes":'),
  end: bytesOf('}'),
};

function* edgeTexts(
  nodes: NodeNumbers,
  sums: EdgeSums,
  granted: readonly GraphEdge[],
  room: TextRoom,
): Generator<void> {
  const keys = new QuotedKeys(nodes);
  const { pairs } = sums;
  for (let i = 0; i < pairs.size; i++) {
    room.copy(i === 0 ? parts.first : parts.next);
    keys.write(pairs.source(i), room);
    room.copy(parts.target);
    keys.write(pairs.target(i), room);
    room.copy(parts.attributes);
    sums.write(i, room);
    room.copy(parts.end);
    if (i % stepEdges === stepEdges - 1) yield;
  }
  for (const [i, edge] of granted.entries()) room.text(`${i + pairs.size === 0 ? '' : ','}${JSON.stringify(edge)}`);
}

/** The keys of nodes as they stand in JSON, each made once. */
class QuotedKeys {
  readonly #nodes: NodeNumbers;
  readonly #room = new TextRoom();
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];

  constructor(nodes: NodeNumbers) {
    this.#nodes = nodes;
  }

  write(number: number, room: TextRoom): void {
    let start = this.#starts[number];
    if (start === undefined) {
      start = this.#starts[number] = this.#room.length;
      this.#room.text(JSON.stringify(this.#nodes.key(number)));
      this.#ends[number] = this.#room.length;
    }
    room.copy(this.#room.view, start, this.#ends[number]);
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
