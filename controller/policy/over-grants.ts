import {
  type Cidr,
  cidrContains,
  type CidrSet,
  cidrSet,
  cidrSetOf,
  countAddresses,
  formatAddresses,
  hasAddress,
  hostCidr,
  intersectAddresses,
  isEmptyAddresses,
  noAddresses,
  parseCidr,
  subtractAddresses,
} from '../model/cidr.ts';
import {
  type ConnectionSet,
  connectionSet,
  equalConnections,
  intersectConnections,
  isEmptyConnections,
  noConnections,
  subtractConnections,
  unionConnections,
} from '../model/connection-set.ts';
import { apiServerCallers, type Cluster, hostAddresses } from '../model/cluster.ts';
import { counted } from '../model/counted.ts';
import type { AllowanceName, DraftPeer, DraftRule, PolicyDraft } from '../model/policy-draft.ts';
import { formatPorts, portSet } from '../model/port-set.ts';
import type { Profile } from '../model/profile.ts';
import type { OverGrant } from '../model/proposal.ts';
import { policyProtocols } from '../model/protocol.ts';
import type { WorkloadKey } from '../model/workload.ts';
import { peerBlocks } from './dialects/ip-blocks.ts';
import type { Admission } from './evaluate/admits.ts';
import { type ClusterIndex, hasUnknownAddress, type Place } from './evaluate/cluster-index.ts';
import type { Direction } from './evaluate/compile-policies.ts';
import type { OwnEvidence } from './own-evidence.ts';

/** Something wider than evidence that a name or the profile vouches for. */
interface Grant {
  /** What the reviewer reads as the peer. */
  readonly label: string;
  readonly allowance: AllowanceName | undefined;
  readonly widenedBy: OverGrant['widenedBy'];
  readonly workloads: ReadonlySet<WorkloadKey>;
  readonly addresses: CidrSet;
  /** The addresses are nodes, so that workloads on the host network are meant with them. */
  readonly meansHosts: boolean;
  readonly ports: ConnectionSet;
}

/** Which kinds of peers a named allowance may have; a rule with others is no allowance, whatever it calls itself. */
const allowancePeers: Readonly<Record<AllowanceName, readonly DraftPeer['kind'][]>> = {
  'cluster-dns': ['pods', 'cidr'],
  'kube-apiserver': ['apiserver'],
  'admission-webhook': ['apiserver'],
  'node-traffic': ['nodes'],
  'open-to-world': ['world'],
};

/**
 * What policies admit beyond the cited evidence: each part is an entry of the named allowance or the part of the
 * profile that it belongs to; what is left belongs to neither and fails the proof.
 */
export function overGrants(
  draft: PolicyDraft,
  direction: Direction,
  admissions: readonly Admission[],
  evidence: OwnEvidence,
  index: ClusterIndex,
  profile: Profile,
): OverGrant[] {
  const grants = grantsOf(draft, direction, evidence, index, profile);
  const found: OverGrant[] = [];
  const add = (peer: string, connections: ConnectionSet, grant: Grant | undefined): void => {
    for (const protocol of policyProtocols) {
      if (connections[protocol].length === 0) continue;
      const ports = formatPorts(connections[protocol]);
      found.push({ direction, peer, protocol, ports, allowance: grant?.allowance, widenedBy: grant?.widenedBy });
    }
  };
  const explain = (peer: string, left: ConnectionSet, covers: (grant: Grant) => boolean): void => {
    let rest = left;
    for (const grant of grants) {
      if (isEmptyConnections(rest)) return;
      if (!covers(grant)) continue;
      add(peer, intersectConnections(rest, grant.ports), grant);
      rest = subtractConnections(rest, grant.ports);
    }
    add(peer, rest, undefined);
  };
  for (const { peer, allowed, unknown } of admissions) {
    switch (peer.kind) {
      case 'workload': {
        const asked = evidence.workloads.get(peer.workload) ?? noConnections;
        if (equalConnections(allowed, asked) && isEmptyConnections(unknown)) break;
        const places = placesOf(index, peer.workload);
        // A rule for an address outside may match a pod of which no address is known; it was seen to be another's.
        const doubt = hasUnknownAddress(places) ? subtractConnections(unknown, evidence.byAddress) : unknown;
        const left = subtractConnections(unionConnections(allowed, doubt), asked);
        explain(peer.workload, left, (grant) => meansWorkload(grant, peer.workload, places));
        break;
      }
      case 'unaddressed': {
        const left = subtractConnections(unionConnections(allowed, unknown), evidence.byAddress);
        explain('workloads of unknown address', left, ({ addresses }) => !isEmptyAddresses(addresses));
        break;
      }
      case 'addresses':
        explainAddresses(peer.set, unionConnections(allowed, unknown), evidence, grants, add);
        break;
    }
  }
  return distinct(found);
}

function explainAddresses(
  set: CidrSet,
  connections: ConnectionSet,
  evidence: OwnEvidence,
  grants: readonly Grant[],
  add: (peer: string, connections: ConnectionSet, grant: Grant | undefined) => void,
): void {
  const seen = evidence.addresses.filter(({ ip }) => hasAddress(set, ip));
  let pieces = [
    { set: subtractAddresses(set, cidrSet(seen.map(({ ip }) => hostCidr(ip)))), left: connections },
    ...seen.map((each) => ({
      set: cidrSet([hostCidr(each.ip)]),
      left: subtractConnections(connections, each.connections),
    })),
  ].filter(isLeft);
  for (const grant of grants) {
    pieces = pieces.flatMap((piece) => {
      const shared = intersectAddresses(piece.set, grant.addresses);
      const named = intersectConnections(piece.left, grant.ports);
      if (isEmptyAddresses(shared) || isEmptyConnections(named)) return [piece];
      add(grant.label, named, grant);
      return [
        { set: subtractAddresses(piece.set, shared), left: piece.left },
        { set: shared, left: subtractConnections(piece.left, grant.ports) },
      ].filter(isLeft);
    });
  }
  for (const piece of pieces) add(blockList(piece.set), piece.left, undefined);
}

function isLeft({ set, left }: { readonly set: CidrSet; readonly left: ConnectionSet }): boolean {
  return !isEmptyAddresses(set) && !isEmptyConnections(left);
}

function blockList(set: CidrSet): string {
  const blocks = formatAddresses(set);
  return blocks.length <= 4
    ? blocks.join(', ')
    : `${blocks.slice(0, 4).join(', ')} and ${counted(blocks.length - 4, 'more block')}`;
}

function placesOf({ position, classesOf }: ClusterIndex, workload: WorkloadKey): Place[] {
  const at = position.get(workload);
  return at === undefined ? [] : (classesOf[at] ?? []).flatMap(({ places }) => places);
}

function meansWorkload(
  { workloads, addresses, meansHosts }: Grant,
  key: WorkloadKey,
  places: readonly Place[],
): boolean {
  if (workloads.has(key)) return true;
  if (isEmptyAddresses(addresses)) return false;
  if (hasUnknownAddress(places)) return true;
  return meansHosts && places.some(({ address }) => address !== undefined && hasAddress(addresses, address));
}

/** Named allowances first, so that what both they and the profile explain goes under the name. */
function grantsOf(
  draft: PolicyDraft,
  direction: Direction,
  evidence: OwnEvidence,
  { cluster }: ClusterIndex,
  profile: Profile,
): Grant[] {
  const rules = draft[direction];
  const allowances = rules.flatMap((rule) =>
    rule.because === 'learned' ? [] : allowanceGrants(rule, rule.because, direction, cluster),
  );
  return [...allowances, ...rules.flatMap((rule) => profileGrants(rule, evidence, profile))];
}

function allowanceGrants(rule: DraftRule, allowance: AllowanceName, direction: Direction, cluster: Cluster): Grant[] {
  const ports = portsOf(rule);
  return rule.peers
    .filter(({ kind }) => allowancePeers[allowance].includes(kind))
    .map((peer) => ({
      label: labelOf(peer),
      allowance,
      widenedBy: undefined,
      workloads: new Set(peer.kind === 'pods' ? peer.workloads : []),
      addresses: peer.kind === 'pods' ? noAddresses : allowedAddresses(peer, direction, cluster),
      meansHosts: peer.kind === 'nodes' || peer.kind === 'apiserver',
      ports,
    }));
}

/** Blocks that are wider than what was seen, as far as the profile really asks for them. */
function profileGrants(rule: DraftRule, evidence: OwnEvidence, { external }: Profile): Grant[] {
  return rule.peers.flatMap((peer) => {
    const block = peer.kind === 'cidr' ? parseCidr(peer.cidr) : undefined;
    if (peer.kind !== 'cidr' || !block) return [];
    const addresses = addressesOf(peer);
    const widenedBy = wideningOf(peer.network, block, addresses, evidence, external);
    if (widenedBy === undefined) return [];
    const label = labelOf(peer);
    const workloads = new Set<WorkloadKey>();
    return [{ label, allowance: undefined, widenedBy, workloads, addresses, meansHosts: false, ports: portsOf(rule) }];
  });
}

function wideningOf(
  network: string | undefined,
  block: Cidr,
  addresses: CidrSet,
  evidence: OwnEvidence,
  { networks, addedAddresses }: Profile['external'],
): OverGrant['widenedBy'] {
  if (network !== undefined) {
    const cidrs = networks.filter(({ name }) => name === network).flatMap((each) => each.cidrs);
    const within = cidrs.some((text) => {
      const cidr = parseCidr(text);
      return cidr !== undefined && cidrContains(cidr, block);
    });
    return within ? 'network' : undefined;
  }
  const seen = evidence.addresses.filter(({ ip }) => hasAddress(addresses, ip)).length;
  const added = countAddresses(addresses) - BigInt(seen);
  return added > 0n && added <= BigInt(addedAddresses) ? 'added-addresses' : undefined;
}

/** A rule for nodes or the API server means no address but theirs, and in egress none on which they do not answer. */
function allowedAddresses(
  peer: Exclude<DraftPeer, { readonly kind: 'pods' }>,
  direction: Direction,
  cluster: Cluster,
): CidrSet {
  const addresses = addressesOf(peer);
  switch (peer.kind) {
    case 'nodes':
      return intersectAddresses(addresses, direction === 'egress' ? hostAddresses(cluster) : cluster.cidrs.nodes);
    case 'apiserver': {
      const own = direction === 'egress' ? cluster.apiServer.ips : apiServerCallers(cluster);
      return intersectAddresses(addresses, cidrSetOf(...own));
    }
    case 'cidr':
    case 'world':
      return addresses;
  }
}

function addressesOf(peer: Exclude<DraftPeer, { readonly kind: 'pods' }>): CidrSet {
  const { blocks } = peerBlocks(peer);
  const parse = (texts: readonly string[]) => cidrSet(texts.map(parseCidr).filter((each) => each !== undefined));
  // Only a single block and the world have exceptions, and those of the world are each of one family.
  return subtractAddresses(parse(blocks.map(({ cidr }) => cidr)), parse(blocks.flatMap(({ except = [] }) => except)));
}

function labelOf(peer: DraftPeer): string {
  switch (peer.kind) {
    case 'pods':
      return peer.workloads.join(', ');
    case 'cidr':
      return peer.network === undefined ? peer.cidr : `${peer.cidr} (network ${peer.network})`;
    case 'apiserver':
      return 'the API server';
    case 'nodes':
      return 'the nodes of the cluster';
    case 'world':
      return 'every address outside of the cluster';
  }
}

function portsOf({ ports }: DraftRule): ConnectionSet {
  const of = (protocol: (typeof policyProtocols)[number]) =>
    portSet(ports.filter((each) => each.protocol === protocol).map(({ port, endPort }) => [port, endPort ?? port]));
  return connectionSet({ TCP: of('TCP'), UDP: of('UDP'), SCTP: of('SCTP') });
}

function distinct(found: readonly OverGrant[]): OverGrant[] {
  return [...new Map(found.map((each) => [JSON.stringify(each), each])).values()];
}
