import {
  allPorts,
  containsPorts,
  countPorts,
  equalPorts,
  formatPorts,
  hasPort,
  intersectPorts,
  noPorts,
  type PortSet,
  portSetOf,
  subtractPorts,
  unionPorts,
} from './port-set.ts';
import { type PolicyProtocol, policyProtocols } from './protocol.ts';

/** What may flow between two endpoints: a set of ports for each protocol that a NetworkPolicy can name. */
export type ConnectionSet = Readonly<Record<PolicyProtocol, PortSet>>;

export const noConnections: ConnectionSet = { TCP: noPorts, UDP: noPorts, SCTP: noPorts };
export const allConnections: ConnectionSet = { TCP: allPorts, UDP: allPorts, SCTP: allPorts };

export function connectionSet(parts: Partial<Record<PolicyProtocol, PortSet>>): ConnectionSet {
  return { ...noConnections, ...parts };
}

export function connectionOf(protocol: PolicyProtocol, ...ports: readonly number[]): ConnectionSet {
  return connectionSet({ [protocol]: portSetOf(...ports) });
}

function combine(a: ConnectionSet, b: ConnectionSet, join: (a: PortSet, b: PortSet) => PortSet): ConnectionSet {
  return { TCP: join(a.TCP, b.TCP), UDP: join(a.UDP, b.UDP), SCTP: join(a.SCTP, b.SCTP) };
}

export function unionConnections(a: ConnectionSet, b: ConnectionSet): ConnectionSet {
  return combine(a, b, unionPorts);
}

export function intersectConnections(a: ConnectionSet, b: ConnectionSet): ConnectionSet {
  return combine(a, b, intersectPorts);
}

export function subtractConnections(a: ConnectionSet, b: ConnectionSet): ConnectionSet {
  return combine(a, b, subtractPorts);
}

export function containsConnections(outer: ConnectionSet, inner: ConnectionSet): boolean {
  return policyProtocols.every((protocol) => containsPorts(outer[protocol], inner[protocol]));
}

export function equalConnections(a: ConnectionSet, b: ConnectionSet): boolean {
  return policyProtocols.every((protocol) => equalPorts(a[protocol], b[protocol]));
}

export function hasConnection(set: ConnectionSet, protocol: PolicyProtocol, port: number): boolean {
  return hasPort(set[protocol], port);
}

export function isEmptyConnections(set: ConnectionSet): boolean {
  return policyProtocols.every((protocol) => set[protocol].length === 0);
}

/** Number of (protocol, port) pairs in the set. */
export function countConnections(set: ConnectionSet): number {
  return policyProtocols.reduce((sum, protocol) => sum + countPorts(set[protocol]), 0);
}

/** `TCP 80, 443; UDP 53`; `everything`; `nothing`. */
export function formatConnections(set: ConnectionSet): string {
  if (equalConnections(set, allConnections)) return 'everything';
  const parts = policyProtocols
    .filter((protocol) => set[protocol].length > 0)
    .map((protocol) => `${protocol} ${formatPorts(set[protocol])}`);
  return parts.length === 0 ? 'nothing' : parts.join('; ');
}
