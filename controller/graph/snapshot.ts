import type { Endpoint } from '../model/endpoint.ts';
import { type FlowSourceKind, flowSourceKinds } from '../model/flow.ts';
import { type Problem, problem } from '../model/problem.ts';
import type { ConnectionDelta, EndpointDelta, GraphDelta, NodeFlows, NodeLosses } from './graph-delta.ts';

const format = 'nanoseg-traffic-graph';
const version = 1;

interface Header {
  readonly format: string;
  readonly version: number;
  readonly binMs: number;
  /** Lines that follow, by what they hold, in this order. */
  readonly endpoints: number;
  readonly connections: number;
  readonly flows: number;
  readonly losses: number;
}

/** A delta as JSON lines, each with its line feed: a header, then endpoints, connections, flows and losses. */
export function* encodeSnapshot(delta: GraphDelta): Generator<string> {
  const { binMs, endpoints, connections, flows, losses } = delta;
  const header: Header = {
    format,
    version,
    binMs,
    endpoints: endpoints.length,
    connections: connections.length,
    flows: flows.length,
    losses: losses.length,
  };
  yield `${JSON.stringify(header)}\n`;
  for (const { endpoint, dnsNames } of endpoints)
    yield `${JSON.stringify({ endpoint: orderedEndpoint(endpoint), dnsNames })}\n`;
  for (const connection of connections) yield `${JSON.stringify(encodeConnection(connection))}\n`;
  for (const entry of flows) yield `${JSON.stringify(entry)}\n`;
  for (const entry of losses) yield `${JSON.stringify(entry)}\n`;
}

/**
 * Reads what `encodeSnapshot` wrote, line by line. A snapshot of another version, or one that is cut off, is a problem
 * and not half a graph. The lines themselves are trusted to be ours.
 */
export function decodeSnapshot(lines: Iterable<string>): GraphDelta | Problem {
  const values: unknown[] = [];
  for (const line of lines) {
    try {
      values.push(JSON.parse(line));
    } catch {
      return problem('SnapshotUnreadable', `line ${values.length + 1} of the snapshot is no JSON`);
    }
  }
  const header = values[0] as Partial<Header> | undefined;
  if (header?.format !== format || header.version !== version) {
    return problem(
      'SnapshotUnreadable',
      `expected a snapshot of format ${format} version ${version}, got ${header?.format ?? 'no header'} version ${header?.version ?? 'none'}`,
    );
  }
  const { binMs, endpoints, connections, flows, losses } = header as Header;
  const expected = endpoints + connections + flows + losses;
  if (values.length - 1 !== expected) {
    return problem('SnapshotUnreadable', `the snapshot says ${expected} lines and has ${values.length - 1}`);
  }
  let next = 1;
  const take = (count: number) => values.slice(next, (next += count));
  return {
    version,
    binMs,
    endpoints: take(endpoints) as EndpointDelta[],
    connections: take(connections).map((row) => decodeConnection(row as ConnectionRow)),
    flows: take(flows) as NodeFlows[],
    losses: take(losses) as NodeLosses[],
  };
}

/** The same endpoint with its fields in one order, whoever made it. */
export function orderedEndpoint(endpoint: Endpoint): Endpoint {
  const { kind } = endpoint;
  switch (kind) {
    case 'workload':
      return { kind, workload: endpoint.workload };
    case 'node':
      return { kind, name: endpoint.name };
    case 'service':
      return { kind, namespace: endpoint.namespace, name: endpoint.name };
    case 'external':
      return { kind, address: endpoint.address };
    case 'unknown':
      return { kind, reason: endpoint.reason, address: endpoint.address };
  }
}

/** Positions instead of names, times as small numbers: most of a snapshot is connections. */
export type ConnectionRow = readonly [
  source: number,
  destination: number,
  protocol: number,
  port: number,
  directed: 0 | 1,
  allowed: number,
  denied: number,
  audited: number,
  bytes: number,
  firstMs: number,
  lastMs: number,
  binMs: number,
  bins: readonly number[],
  marks: readonly number[],
  clientReplicas: readonly number[],
  serverReplicas: readonly number[],
  sources: readonly number[],
  answered: ConnectionDelta['answered'],
  clientNode: ConnectionDelta['clientNode'],
];

export function encodeConnection(delta: ConnectionDelta): ConnectionRow {
  return [
    delta.source,
    delta.destination,
    delta.protocol,
    delta.port,
    delta.directed ? 1 : 0,
    delta.allowed,
    delta.denied,
    delta.audited,
    delta.bytes,
    delta.firstMs,
    delta.lastMs,
    delta.binMs,
    delta.bins.map((startMs) => startMs / delta.binMs),
    delta.marks,
    delta.clientReplicas,
    delta.serverReplicas,
    delta.sources.map((source) => flowSourceKinds.indexOf(source)),
    delta.answered,
    delta.clientNode,
  ];
}

export function decodeConnection(row: ConnectionRow): ConnectionDelta {
  const [source, destination, protocol, port, directed, allowed, denied, audited, bytes, ...rest] = row;
  const [firstMs, lastMs, binMs, bins, marks, clientReplicas, serverReplicas, sources, answered, clientNode] = rest;
  return {
    source,
    destination,
    protocol,
    port,
    directed: directed === 1,
    allowed,
    denied,
    audited,
    bytes,
    firstMs,
    lastMs,
    binMs,
    bins: bins.map((bin) => bin * binMs),
    marks,
    clientReplicas,
    serverReplicas,
    sources: sources.map((i) => flowSourceKinds[i] as FlowSourceKind),
    answered,
    clientNode,
  };
}
