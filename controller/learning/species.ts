import { type AddressRange, cidrRange, type IpAddress, parseCidr, parseIp } from '../model/cidr.ts';
import type { Cluster } from '../model/cluster.ts';
import type { Connection } from '../model/connection.ts';
import { type Endpoint, endpointId } from '../model/endpoint.ts';
import type { ExternalPeers } from '../model/profile.ts';
import { policyProtocolOf } from '../model/protocol.ts';
import type { WorkloadKey } from '../model/workload.ts';

/**
 * In how many time bins each kind of connection was seen that a rule tells apart. Addresses that one rule covers anyway
 * (a named network; the world, where an exposed workload has more clients than the profile's bound) are one kind:
 * else the next stranger at the door would always look like a gap in what is known.
 */
export function speciesCounts(
  workload: WorkloadKey,
  evidence: readonly Connection[],
  cluster: Cluster,
  external: ExternalPeers,
): number[] {
  const networks = external.networks.map(({ name, cidrs }) => ({ name, ranges: cidrs.flatMap(rangeOf) }));
  const open = openPorts(workload, evidence, cluster, external.clientsBeforeWorld);
  const members = Map.groupBy(evidence, (connection) => {
    const { source, destination, protocol, port } = connection;
    const inbound = destination.kind === 'workload' && destination.workload === workload;
    const peer = inbound ? source : destination;
    if (inbound && source.kind === 'external' && open.has(portKey(connection))) return `world>${protocol}/${port}`;
    const name = networkOf(peer, networks) ?? endpointId(peer);
    return `${inbound ? '>' : '<'}${name}:${protocol}/${port}`;
  });
  return [...members.values()].map(incidencesTogether);
}

/** Bins in which at least one of them was seen: exact where every set of bins is, else what is certain. */
function incidencesTogether(connections: readonly Connection[]): number {
  const [first] = connections;
  if (first !== undefined && connections.length === 1) return first.evidence.incidences;
  const least = Math.max(...connections.map(({ evidence }) => evidence.incidences));
  const widest = Math.max(...connections.map(({ evidence }) => evidence.binMs));
  const wide = new Set(
    connections.flatMap(({ evidence }) => evidence.bins.map((startMs) => Math.floor(startMs / widest))),
  );
  return Math.max(least, wide.size);
}

/** Exposed ports with more distinct external clients than the bound. */
function openPorts(
  workload: WorkloadKey,
  evidence: readonly Connection[],
  cluster: Cluster,
  bound: number,
): ReadonlySet<string> {
  const clients = Map.groupBy(
    evidence.filter(({ source }) => source.kind === 'external'),
    portKey,
  );
  if (clients.size === 0) return new Set();
  const exposed = new Set(
    cluster.exposures.filter((exposure) => exposure.workload === workload).map((exposure) => portKey(exposure)),
  );
  return new Set([...clients].filter(([key, some]) => exposed.has(key) && some.length > bound).map(([key]) => key));
}

function portKey({ protocol, port }: { readonly protocol: number | string; readonly port: number }): string {
  return `${typeof protocol === 'number' ? policyProtocolOf(protocol) : protocol}/${port}`;
}

interface Network {
  readonly name: string;
  readonly ranges: readonly { readonly family: 4 | 6; readonly range: AddressRange }[];
}

function rangeOf(text: string): Network['ranges'] {
  const cidr = parseCidr(text);
  return cidr === undefined ? [] : [{ family: cidr.family, range: cidrRange(cidr) }];
}

function networkOf(peer: Endpoint, networks: readonly Network[]): string | undefined {
  const address = peer.kind === 'external' && networks.length > 0 ? parseIp(peer.address) : undefined;
  if (address === undefined) return undefined;
  return networks.find(({ ranges }) => ranges.some((range) => holds(range, address)))?.name;
}

function holds({ family, range: [from, to] }: Network['ranges'][number], { family: own, value }: IpAddress): boolean {
  return family === own && value >= from && value <= to;
}
