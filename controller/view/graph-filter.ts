import type { ConnectionSummary, TrafficGraph } from '../graph/traffic-graph.ts';
import { type Endpoint, namespaceOfEndpoint } from '../model/endpoint.ts';
import { type ConnectionState, connectionStates } from './graph-shape.ts';

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

/** `state`: its number in `connectionStates`. */
type Wanted = (row: number, summary: ConnectionSummary, state: number) => boolean;

/** Whether a connection is wanted, undefined: all are; ends are remembered, so that each is looked at once. */
export function connectionFilter(graph: TrafficGraph, filter: GraphFilter): Wanted | undefined {
  const { namespaces, workloads, protocols, states, sinceMs = 0, untilMs = Number.POSITIVE_INFINITY } = filter;
  if (Object.values(filter).every((part) => part === undefined)) return undefined;
  const fits = namespaces || workloads ? endpointFilter(graph, namespaces, workloads) : undefined;
  const timed = sinceMs > 0 || untilMs !== Number.POSITIVE_INFINITY;
  return (row, { from, to, protocol, firstMs, lastMs }, state) => {
    if (protocols && !protocols.has(protocol)) return false;
    if (states && !states.has(connectionStates[state] as ConnectionState)) return false;
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
  const isIn = endpointMemory(
    graph,
    (endpoint) => namespaces === undefined || namespaces.has(namespaceOfEndpoint(endpoint)),
  );
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
