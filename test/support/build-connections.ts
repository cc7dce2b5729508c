import { type Connection, connectionId, type Evidence } from '../../controller/model/connection.ts';
import type { ConnectionSource } from '../../controller/model/connection-source.ts';
import { apiServerEndpoint, type Endpoint } from '../../controller/model/endpoint.ts';
import { parseProtocol } from '../../controller/model/protocol.ts';
import { keyOf } from './build-cluster.ts';

/** `shop/cart`, `node:a`, `apiserver`, `?10.0.0.1` (unknown) or an external address. */
function endpointOf(text: string): Endpoint {
  if (text === 'apiserver') return apiServerEndpoint;
  if (text.startsWith('node:')) return { kind: 'node', name: text.slice(5) };
  if (text.startsWith('?')) return { kind: 'unknown', reason: 'no-owner', address: text.slice(1) };
  return text.includes('/') ? { kind: 'workload', workload: keyOf(text) } : { kind: 'external', address: text };
}

/** `shop/cart > shop/redis TCP 6379`: seen often, on all replicas, answered, unless `evidence` says otherwise. */
export function connection(text: string, evidence: Partial<Evidence> = {}, directed = true): Connection {
  const [from = '', , to = '', protocolText = '', portText = '0'] = text.split(' ');
  const [source, destination] = [endpointOf(from), endpointOf(to)];
  const protocol = parseProtocol(protocolText) ?? 0;
  const port = Number(portText);
  return {
    id: connectionId(source, destination, protocol, port, directed),
    source,
    destination,
    protocol,
    port,
    directed,
    evidence: {
      allowed: 100,
      denied: 0,
      audited: 0,
      bytes: 0,
      firstMs: 0,
      lastMs: 3_600_000,
      bins: [0, 300_000, 600_000],
      binMs: 300_000,
      incidences: 3,
      clientReplicas: 3,
      serverReplicas: 3,
      sources: ['hubble'],
      answered: 'yes',
      clientNode: 'unknown',
      ...evidence,
    },
  };
}

/** These connections as the graph would give them. */
export function connectionSource(
  given: readonly (string | Connection)[],
  dnsNames: Readonly<Record<string, readonly string[]>> = {},
): ConnectionSource {
  const all = given
    .map((item) => (typeof item === 'string' ? connection(item) : item))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  const touches = (endpoint: Endpoint, workload: string) =>
    endpoint.kind === 'workload' && endpoint.workload === workload;
  return {
    connections: () => all,
    connectionsOf: (workload) =>
      all.filter(({ source, destination }) => touches(source, workload) || touches(destination, workload)),
    dnsNamesOf: (endpoint) => (endpoint.kind === 'external' ? (dnsNames[endpoint.address] ?? []) : []),
  };
}
