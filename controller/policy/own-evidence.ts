import { type IpAddress, parseIp } from '../model/cidr.ts';
import { type ConnectionSet, connectionSet, noConnections, unionConnections } from '../model/connection-set.ts';
import type { Connection } from '../model/connection.ts';
import { type Endpoint, isApiServer } from '../model/endpoint.ts';
import type { PolicyDraft } from '../model/policy-draft.ts';
import { portSetOf } from '../model/port-set.ts';
import { type PolicyProtocol, policyProtocolOf } from '../model/protocol.ts';
import type { WorkloadKey } from '../model/workload.ts';
import type { Direction } from './evaluate/compile-policies.ts';

/** What the evidence of one direction asks for, by the other side. */
export interface OwnEvidence {
  readonly workloads: ReadonlyMap<WorkloadKey, ConnectionSet>;
  readonly addresses: readonly { readonly ip: IpAddress; readonly connections: ConnectionSet }[];
  /** Everything that is asked for by address, of whatever address. */
  readonly byAddress: ConnectionSet;
}

/** Made as they are needed: most peers have one port of one protocol. */
type Numbers = Partial<Record<PolicyProtocol, number[]>>;

/** Gathers the connections that the rules of a draft cite. The members of a joint draft are one. */
export function ownEvidence(
  draft: PolicyDraft,
  direction: Direction,
  cited: readonly Connection[],
  apiServer: readonly string[],
): OwnEvidence {
  const workloads = new Map<WorkloadKey, Numbers>();
  const addresses = new Map<string, Numbers>();
  const add = <Key>(map: Map<Key, Numbers>, key: Key, protocol: PolicyProtocol, port: number): void => {
    let numbers = map.get(key);
    if (!numbers) map.set(key, (numbers = {}));
    (numbers[protocol] ??= []).push(port);
  };
  for (const connection of cited) {
    const protocol = policyProtocolOf(connection.protocol);
    if (protocol === undefined) continue;
    const other = otherSide(connection, direction);
    for (const key of workloadsOf(other, draft)) add(workloads, key, protocol, connection.port);
    for (const ip of addressesOf(other, apiServer)) add(addresses, ip, protocol, connection.port);
  }
  const all = [...addresses.values()].map(asConnections);
  return {
    workloads: new Map([...workloads].map(([key, numbers]) => [key, asConnections(numbers)])),
    addresses: [...addresses].flatMap(([text, numbers]) => {
      const ip = parseIp(text);
      return ip ? [{ ip, connections: asConnections(numbers) }] : [];
    }),
    byAddress: all.reduce(unionConnections, noConnections),
  };
}

export function otherSide({ source, destination }: Connection, direction: Direction): Endpoint {
  return direction === 'ingress' ? source : destination;
}

function workloadsOf(endpoint: Endpoint, { workloads }: PolicyDraft): readonly WorkloadKey[] {
  if (endpoint.kind !== 'workload') return [];
  return workloads.includes(endpoint.workload) ? workloads : [endpoint.workload];
}

function addressesOf(endpoint: Endpoint, apiServer: readonly string[]): readonly string[] {
  if (endpoint.kind === 'external') return [endpoint.address];
  return isApiServer(endpoint) ? apiServer : [];
}

function asConnections({ TCP, UDP, SCTP }: Numbers): ConnectionSet {
  return connectionSet({
    ...(TCP && { TCP: portSetOf(...TCP) }),
    ...(UDP && { UDP: portSetOf(...UDP) }),
    ...(SCTP && { SCTP: portSetOf(...SCTP) }),
  });
}
