import { type CidrSet, cidrSetOf, hasAddress, parseIp, unionAddresses } from '../model/cidr.ts';
import {
  type ConnectionSet,
  connectionSet,
  equalConnections,
  formatConnections,
  isEmptyConnections,
} from '../model/connection-set.ts';
import type { ConnectionId } from '../model/connection.ts';
import type { ConnectionSource } from '../model/connection-source.ts';
import type { DraftPeer, DraftPort, DraftRule, RuleReason } from '../model/policy-draft.ts';
import { portSetOf } from '../model/port-set.ts';
import type { Profile } from '../model/profile.ts';
import { type PolicyProtocol, policyProtocols } from '../model/protocol.ts';
import type { WorkloadKey } from '../model/workload.ts';
import { choosePeers, type PeerFault } from './choose-peers.ts';
import type { ClusterNaming } from './cluster-naming.ts';
import type { CniProfile } from './cni-profiles.ts';
import { externalBlocks } from './external-blocks.ts';
import { metadataServerAddress, nodeLocalDnsAddress } from './guardrails.ts';
import type { Demand } from './sort-connections.ts';

/** What drafting needs to know of the world; one value for all workloads of a run. */
export interface DraftingContext extends ClusterNaming {
  readonly connections: ConnectionSource;
  readonly profile: Profile;
  readonly cni: CniProfile;
}

export interface DraftedRules {
  readonly rules: readonly DraftRule[];
  readonly faults: readonly PeerFault[];
}

const noPort: ReadonlySet<number> = new Set();

/** Ports and evidence that gather under one peer. */
class Need {
  /** Made when they are needed: most peers have ports of one protocol only. */
  readonly #ports: Partial<Record<PolicyProtocol, Set<number>>> = {};
  readonly evidence: ConnectionId[] = [];

  add({ protocol, port, connection }: Demand): void {
    this.open(protocol, port);
    this.evidence.push(connection.id);
  }

  open(protocol: PolicyProtocol, port: number): void {
    const ports = this.#ports[protocol];
    if (ports) ports.add(port);
    else this.#ports[protocol] = new Set([port]);
  }

  portsOf(protocol: PolicyProtocol): ReadonlySet<number> {
    return this.#ports[protocol] ?? noPort;
  }

  connections(): ConnectionSet {
    const of = (protocol: PolicyProtocol) => portSetOf(...this.portsOf(protocol));
    return connectionSet({ TCP: of('TCP'), UDP: of('UDP'), SCTP: of('SCTP') });
  }

  sortedEvidence(): ConnectionId[] {
    return this.evidence.length === 1 ? this.evidence : [...new Set(this.evidence)].sort();
  }
}

/** Turns the demands of one direction into rules: no peer, no port and no rule beyond what they ask for. */
export function draftRules(
  subjects: readonly WorkloadKey[],
  namespace: string,
  direction: 'ingress' | 'egress',
  demands: readonly Demand[],
  context: DraftingContext,
): DraftedRules {
  const workloads = new Map<WorkloadKey, Need>();
  const external = new Map<string, Need>();
  const apiServer = new Need();
  const nodes = new Need();
  const dns: Demand[] = [];
  const worldly = direction === 'ingress' ? worldDemands(subjects, demands, context) : new Set<Demand>();
  for (const demand of demands) {
    if (worldly.has(demand)) continue;
    const { peer } = demand;
    switch (peer.kind) {
      case 'workload':
        needOf(workloads, peer.workload).add(demand);
        break;
      case 'external':
        needOf(external, peer.address).add(demand);
        break;
      case 'apiserver':
        apiServer.add(demand);
        break;
      case 'nodes':
        nodes.add(demand);
        break;
      case 'dns':
        dns.push(demand);
        break;
    }
  }

  const needs = [...workloads]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([workload, need]) => ({ workload, connections: need.connections(), evidence: need.sortedEvidence() }));
  const { rules: podRules, faults: podFaults } = choosePeers(namespace, needs, context);
  const { rules: dnsRules, faults: dnsFaults } = draftDnsRules(dns, namespace, context);
  const rules: DraftRule[] = [
    ...joinEqualPorts(podRules, externalRules(external, context)).map(({ connections, peers, evidence }) =>
      rule(peers, connections, 'learned', evidence, context.cni),
    ),
    ...worldRules([...worldly], context),
    ...dnsRules,
    ...addressRules(
      nodes,
      'node-traffic',
      { kind: 'nodes', cidrs: context.infrastructure.nodeCidrs[direction] },
      context,
    ),
    ...addressRules(
      apiServer,
      'kube-apiserver',
      { kind: 'apiserver', addresses: context.infrastructure.apiServerAddresses[direction] },
      context,
    ),
  ];
  return { rules, faults: [...podFaults, ...dnsFaults] };
}

function needOf<K>(needs: Map<K, Need>, key: K): Need {
  const known = needs.get(key);
  if (known) return known;
  const need = new Need();
  needs.set(key, need);
  return need;
}

interface LearnedRule {
  readonly connections: ConnectionSet;
  readonly peers: readonly DraftPeer[];
  readonly evidence: readonly ConnectionId[];
}

/** External addresses as rules of their own, one for each set of ports. */
function externalRules(
  external: ReadonlyMap<string, Need>,
  { profile, cluster, connections }: DraftingContext,
): LearnedRule[] {
  const { cidrs } = cluster;
  const inside = [cidrs.pods, cidrs.services, cidrs.nodes].reduce(unionAddresses);
  const groups = new Map<string, { connections: ConnectionSet; addresses: string[]; evidence: ConnectionId[] }>();
  for (const [address, need] of external) {
    const set = need.connections();
    const key = formatConnections(set);
    const group = groups.get(key) ?? { connections: set, addresses: [], evidence: [] };
    group.addresses.push(address);
    group.evidence.push(...need.evidence);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ connections: set, addresses, evidence }) => ({
    connections: set,
    evidence: evidence.sort(),
    peers: externalBlocks(addresses.sort(), profile.external, inside).map(({ cidr, network, addresses: members }) => {
      const names = members.map((address) => connections.dnsNamesOf({ kind: 'external', address }));
      return {
        kind: 'cidr' as const,
        cidr,
        except: [],
        network,
        // names may stand for the addresses only when every one of them has a name
        dnsNames: names.every((list) => list.length > 0) ? [...new Set(names.flat())].sort() : [],
      };
    }),
  }));
}

/** Peers with the same set of ports become one rule, pods first. */
function joinEqualPorts(pods: readonly LearnedRule[], external: readonly LearnedRule[]): LearnedRule[] {
  const rest = [...external];
  const joined = pods.map((rule) => {
    const twin = rest.findIndex(({ connections }) => equalConnections(connections, rule.connections));
    if (twin < 0) return rule;
    const [taken] = rest.splice(twin, 1) as [LearnedRule];
    return {
      connections: rule.connections,
      peers: [...rule.peers, ...taken.peers],
      evidence: [...rule.evidence, ...taken.evidence].sort(),
    };
  });
  return [...joined, ...rest].sort((a, b) => compareText(ruleKey(a), ruleKey(b)));
}

function ruleKey({ peers, connections }: LearnedRule): string {
  return `${peers.map(peerKey).sort()[0]} ${formatConnections(connections)}`;
}

function peerKey(peer: DraftPeer): string {
  return peer.kind === 'pods' ? `0 ${peer.workloads[0]}` : `1 ${JSON.stringify(peer)}`;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * The demands of external clients on ports that an exposed workload opens to more of them than the profile wants listed.
 * Those are opened to every address outside of the cluster; ports with few clients stay listed by address.
 */
function worldDemands(
  subjects: readonly WorkloadKey[],
  demands: readonly Demand[],
  { profile, infrastructure }: DraftingContext,
): ReadonlySet<Demand> {
  const external = demands.filter(({ peer }) => peer.kind === 'external');
  if (external.length === 0) return new Set();
  const inside = cidrSetOf(...infrastructure.insideCidrs);
  const byPort = Map.groupBy(external, ({ protocol, port }) => `${protocol} ${port}`);
  const open = [...byPort.values()].filter((some) => {
    const clients = new Set(some.map(({ peer }) => (peer.kind === 'external' ? peer.address : '')));
    const [first] = some;
    const exposed =
      first !== undefined &&
      subjects.some((workload) => infrastructure.isExposed(workload, first.protocol, first.port));
    return exposed && clients.size > profile.external.clientsBeforeWorld;
  });
  const outside = ({ peer }: Demand) => peer.kind === 'external' && !isInside(peer.address, inside);
  return new Set(open.flat().filter(outside));
}

function worldRules(demands: readonly Demand[], { infrastructure, cni }: DraftingContext): DraftRule[] {
  if (demands.length === 0) return [];
  const need = new Need();
  for (const demand of demands) need.add(demand);
  const peer: DraftPeer = { kind: 'world', except: infrastructure.insideCidrs };
  return [rule([peer], need.connections(), 'open-to-world', need.sortedEvidence(), cni)];
}

function isInside(address: string, inside: CidrSet): boolean {
  const ip = parseIp(address);
  return ip === undefined || hasAddress(inside, ip);
}

/** Cluster DNS is asked on UDP and TCP both: a truncated answer makes a resolver ask again on TCP, which is rare to see. */
function draftDnsRules(demands: readonly Demand[], namespace: string, context: DraftingContext): DraftedRules {
  if (demands.length === 0) return { rules: [], faults: [] };
  const { infrastructure, choiceOf, cni, connections } = context;
  const need = new Need();
  for (const demand of demands) need.add(demand);
  for (const port of [...need.portsOf('TCP'), ...need.portsOf('UDP')]) {
    need.open('TCP', port);
    need.open('UDP', port);
  }
  const evidence = need.sortedEvidence();
  const asked = new Set<string>();
  for (const { connection } of demands) {
    const { destination } = connection;
    if (destination.kind === 'external') asked.add(destination.address);
    if (destination.kind === 'workload') asked.add(destination.workload);
  }
  const servers = infrastructure.dnsWorkloads.filter((workload) => {
    const choice = choiceOf(workload);
    const alone = choice.kind === 'shared' && choice.selects.every((one) => infrastructure.dnsWorkloads.includes(one));
    return asked.has(workload) || choice.kind === 'exact' || alone;
  });
  const needs = servers.map((workload) => ({ workload, connections: need.connections(), evidence }));
  const { rules: podRules, faults } = choosePeers(namespace, needs, context);
  if (faults.length > 0) return { rules: [], faults };
  const pods = podRules.flatMap(({ peers }) => peers);
  const addresses = [nodeLocalDnsAddress, metadataServerAddress].filter(
    (address) => asked.has(address) || (address === nodeLocalDnsAddress && infrastructure.hasNodeLocalDns),
  );
  const caches = addresses.map((address) => ({
    kind: 'cidr' as const,
    cidr: `${address}/32`,
    except: [],
    network: undefined,
    dnsNames: connections.dnsNamesOf({ kind: 'external', address }),
  }));
  return { rules: [rule([...pods, ...caches], need.connections(), 'cluster-dns', evidence, cni)], faults: [] };
}

function addressRules(need: Need, because: RuleReason, peer: DraftPeer, { cni }: DraftingContext): DraftRule[] {
  return need.evidence.length === 0 ? [] : [rule([peer], need.connections(), because, need.sortedEvidence(), cni)];
}

function rule(
  peers: readonly DraftPeer[],
  connections: ConnectionSet,
  because: RuleReason,
  evidence: readonly ConnectionId[],
  cni: CniProfile,
): DraftRule {
  // to the API, no peers and no ports mean all of them: whoever gets here with an empty list has a bug, not a policy
  if (peers.length === 0 || isEmptyConnections(connections)) throw new Error('a rule without peers or ports');
  return { peers, ports: draftPorts(connections, cni), because, evidence };
}

/** Single ports, and contiguous runs of three or more as one range where the network plugin has ranges. */
export function draftPorts(connections: ConnectionSet, cni: CniProfile): DraftPort[] {
  return policyProtocols.flatMap((protocol) =>
    connections[protocol].flatMap(([from, to]): DraftPort[] => {
      if (to - from >= 2 && cni.endPort === 'yes') return [{ protocol, port: from, endPort: to, name: undefined }];
      return Array.from({ length: to - from + 1 }, (_, i) => ({
        protocol,
        port: from + i,
        endPort: undefined,
        name: undefined,
      }));
    }),
  );
}
