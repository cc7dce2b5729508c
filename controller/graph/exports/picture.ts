import type { Connection } from '../../model/connection.ts';
import { type Endpoint, type EndpointId, endpointId, isApiServer, namespaceOfEndpoint } from '../../model/endpoint.ts';
import { protocolName } from '../../model/protocol.ts';
import { parseWorkloadKey } from '../../model/workload.ts';
import type { ConnectionSource } from '../../model/connection-source.ts';

/** The traffic graph as it is drawn: endpoints, and an edge per ordered pair; both in canonical order. */
export interface GraphPicture {
  readonly nodes: readonly PictureNode[];
  readonly edges: readonly PictureEdge[];
}

export interface PictureNode {
  readonly id: EndpointId;
  readonly kind: Endpoint['kind'];
  /** Short name for people. */
  readonly label: string;
  /** Empty for endpoints without one. */
  readonly namespace: string;
  /** The workload's kind, else empty. */
  readonly workloadKind: string;
  readonly dnsNames: readonly string[];
}

export interface PictureEdge {
  readonly source: EndpointId;
  readonly destination: EndpointId;
  /** By protocol and port. */
  readonly connections: readonly Connection[];
}

/** Everything, or with a namespace only what a workload or Service of it takes part in. */
export function pictureOf(source: ConnectionSource, namespace?: string): GraphPicture {
  const nodes = new Map<EndpointId, PictureNode>();
  const edges: (PictureEdge & { readonly connections: Connection[] })[] = [];
  for (const connection of source.connections()) {
    const ends = [connection.source, connection.destination];
    if (namespace !== undefined && ends.every((end) => namespaceOfEndpoint(end) !== namespace)) continue;
    const ids = ends.map((end) => {
      const id = endpointId(end);
      if (!nodes.has(id)) nodes.set(id, pictureNode(id, end, source.dnsNamesOf(end)));
      return id;
    });
    const [from, to] = ids as [EndpointId, EndpointId];
    const last = edges.at(-1);
    if (last !== undefined && last.source === from && last.destination === to) last.connections.push(connection);
    else edges.push({ source: from, destination: to, connections: [connection] });
  }
  return { nodes: [...nodes.values()].sort((a, b) => (a.id < b.id ? -1 : 1)), edges };
}

function pictureNode(id: EndpointId, endpoint: Endpoint, dnsNames: readonly string[]): PictureNode {
  const workloadKind = endpoint.kind === 'workload' ? parseWorkloadKey(endpoint.workload).kind : '';
  const namespace = namespaceOfEndpoint(endpoint);
  return { id, kind: endpoint.kind, label: labelOf(endpoint, dnsNames), namespace, workloadKind, dnsNames };
}

function labelOf(endpoint: Endpoint, dnsNames: readonly string[]): string {
  switch (endpoint.kind) {
    case 'workload':
      return parseWorkloadKey(endpoint.workload).name;
    case 'node':
      return endpoint.name === '' ? 'some node' : `node ${endpoint.name}`;
    case 'service':
      return isApiServer(endpoint) ? 'API server' : `Service ${endpoint.name}`;
    case 'external':
      return dnsNames[0] === undefined ? endpoint.address : `${dnsNames[0]} (${endpoint.address})`;
    case 'unknown':
      return `unknown ${endpoint.address} (${endpoint.reason})`.replace('  ', ' ');
  }
}

/** What an arrow between two endpoints means. */
export type StrokeKind = 'passed' | 'denied' | 'undirected';

/** One arrow: what passed, attempts that never passed, or traffic that nobody knows the direction of. */
export interface Stroke {
  readonly kind: StrokeKind;
  /** `TCP 8080, 9090; UDP 53`, with the first word of what is not plain traffic. */
  readonly label: string;
}

export function strokesOf({ connections }: PictureEdge): Stroke[] {
  const groups = Map.groupBy(connections, ({ directed, evidence }): StrokeKind => {
    if (!directed) return 'undirected';
    return evidence.allowed + evidence.audited > 0 ? 'passed' : 'denied';
  });
  return [...groups]
    .sort(([a], [b]) => strokeOrder[a] - strokeOrder[b])
    .map(([kind, some]) => ({
      kind,
      label: kind === 'passed' ? portsText(some) : `${kind}: ${portsText(some)}`,
    }));
}

const strokeOrder: Readonly<Record<StrokeKind, number>> = { passed: 0, denied: 1, undirected: 2 };
/** A scan of a thousand ports shall not fill the page. */
const portsShown = 8;

/** `TCP 8080, 9090; UDP 53; ICMP`. */
export function portsText(connections: readonly Connection[]): string {
  const byProtocol = Map.groupBy(connections, ({ protocol }) => protocol);
  return [...byProtocol]
    .map(([protocol, some]) => {
      const ports = [...new Set(some.map(({ port }) => port).filter((port) => port !== 0))];
      const more = ports.length > portsShown ? ` and ${ports.length - portsShown} more` : '';
      return `${protocolName(protocol)} ${ports.slice(0, portsShown).join(', ')}${more}`.trimEnd();
    })
    .join('; ');
}
