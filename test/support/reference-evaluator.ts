import type { IpAddress } from '../../controller/model/cidr.ts';
import { parseIp } from '../../controller/model/cidr.ts';
import type { Cluster, Pod } from '../../controller/model/cluster.ts';
import type { Labels, LabelSelector } from '../../controller/model/label-selector.ts';
import type { NetworkPolicy, PolicyPeer, PolicyPort } from '../../controller/model/network-policy.ts';
import type { PolicyProtocol } from '../../controller/model/protocol.ts';
import type { ContainerPort, WorkloadKey } from '../../controller/model/workload.ts';
import type { CniProfile } from '../../controller/policy/cni-profiles.ts';
import type { Verdict } from '../../controller/policy/evaluate/decide.ts';
import type { Party } from '../../controller/policy/evaluate/views.ts';

/**
 * The oracle of the evaluator's tests: slow, without any index, set or class. It asks every policy about every pod at
 * every address that it has or may have, one port at a time. 0 is denied, 1 unknown, 2 allowed.
 */
type Truth = 0 | 1 | 2;

/** One thing that sends or receives: a pod, a node or an address outside, at one address. */
interface Being {
  readonly kind: 'pod' | 'host' | 'outside' | 'stray';
  readonly namespace: string;
  readonly labels: Labels;
  readonly ports: readonly ContainerPort[];
  readonly node: string | undefined;
  readonly address: IpAddress;
}

export function referenceVerdict(
  cluster: Cluster,
  policies: readonly NetworkPolicy[],
  cni: CniProfile,
  source: Party,
  destination: Party,
  protocol: PolicyProtocol,
  port: number,
): Verdict {
  const truths = new Set<Truth>();
  for (const from of beings(cluster, policies, source, 'sending')) {
    for (const to of beings(cluster, policies, destination, 'answering')) {
      const egress = sideTruth(cluster, policies, cni, 'Egress', from, to, protocol, port);
      const ingress = sideTruth(cluster, policies, cni, 'Ingress', to, from, protocol, port);
      truths.add(Math.min(egress, ingress) as Truth);
    }
  }
  if (truths.size !== 1 || truths.has(1)) return 'unknown';
  return truths.has(2) ? 'allowed' : 'denied';
}

function sideTruth(
  cluster: Cluster,
  policies: readonly NetworkPolicy[],
  cni: CniProfile,
  direction: 'Ingress' | 'Egress',
  subject: Being,
  peer: Being,
  protocol: PolicyProtocol,
  port: number,
): Truth {
  if (subject.kind === 'stray') return 1;
  if (subject.kind !== 'pod') return 2;
  const isolating = policies.filter(
    ({ metadata, spec }) =>
      metadata.namespace === subject.namespace &&
      selects(spec.podSelector, subject.labels) &&
      typesOf(spec).includes(direction),
  );
  if (isolating.length === 0) return 2;
  let best: Truth = direction === 'Ingress' ? exemption(cni, subject, peer) : 0;
  const target = direction === 'Ingress' ? subject : peer;
  for (const { metadata, spec } of isolating) {
    const rules =
      direction === 'Ingress'
        ? (spec.ingress ?? []).map(({ from, ports }) => ({ peers: from ?? [], ports: ports ?? [] }))
        : (spec.egress ?? []).map(({ to, ports }) => ({ peers: to ?? [], ports: ports ?? [] }));
    for (const { peers, ports } of rules) {
      const who =
        peers.length === 0 ? 2 : highest(peers.map((each) => peerTruth(cluster, cni, metadata.namespace, each, peer)));
      const what = ports.length === 0 ? 2 : highest(ports.map((each) => portTruth(cni, each, target, protocol, port)));
      best = highest([best, Math.min(who, what) as Truth]);
    }
  }
  return best;
}

function typesOf(spec: NetworkPolicy['spec']): readonly string[] {
  if (spec.policyTypes && spec.policyTypes.length > 0) return spec.policyTypes;
  return spec.egress && spec.egress.length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
}

function exemption(cni: CniProfile, pod: Being, peer: Being): Truth {
  if (peer.kind !== 'host') return 0;
  const truthOf = { yes: 2, unknown: 1, no: 0 } as const;
  const any = truthOf[cni.anyNodeExempt];
  const own = truthOf[cni.ownNodeExempt];
  if (pod.node === undefined || peer.node === undefined) return highest([any, Math.min(own, 1) as Truth]);
  return pod.node === peer.node ? highest([any, own]) : any;
}

function peerTruth(cluster: Cluster, cni: CniProfile, namespace: string, rule: PolicyPeer, peer: Being): Truth {
  const { ipBlock, namespaceSelector, podSelector } = rule;
  if (ipBlock) {
    if (namespaceSelector || podSelector) return 0;
    const block = rangeOf(ipBlock.cidr);
    const holes = (ipBlock.except ?? []).map(rangeOf);
    const inside = within(block, peer.address) && !holes.some((hole) => within(hole, peer.address));
    if (!inside) return 0;
    if (peer.kind === 'outside') return 2;
    const fact = peer.kind === 'host' ? cni.ipBlockMatchesNodes : cni.ipBlockMatchesPods;
    return ({ yes: 2, unknown: 1, no: 0 } as const)[fact];
  }
  if (!namespaceSelector && !podSelector) return 0;
  if (peer.kind === 'stray') return 1;
  if (peer.kind !== 'pod') return 0;
  const inNamespace = namespaceSelector
    ? selects(namespaceSelector, cluster.namespaces.get(peer.namespace)?.labels ?? {})
    : peer.namespace === namespace;
  return inNamespace && (!podSelector || selects(podSelector, peer.labels)) ? 2 : 0;
}

function portTruth(cni: CniProfile, rule: PolicyPort, target: Being, protocol: PolicyProtocol, port: number): Truth {
  if ((rule.protocol ?? 'TCP') !== protocol) return 0;
  const most: Truth = protocol === 'SCTP' && cni.sctp !== 'yes' ? 1 : 2;
  const atMost = (truth: Truth) => Math.min(truth, most) as Truth;
  if (rule.port === undefined) return rule.endPort === undefined ? most : 0;
  if (typeof rule.port === 'string') {
    if (rule.endPort !== undefined || target.kind !== 'pod' || cni.namedPorts === 'no') return 0;
    const named = new Set(
      target.ports.filter((each) => each.name === rule.port && each.protocol === protocol).map((each) => each.port),
    );
    if (!named.has(port)) return 0;
    return atMost(named.size > 1 || cni.namedPorts === 'unknown' ? 1 : 2);
  }
  if (rule.endPort !== undefined && rule.endPort < rule.port) return 0;
  if (port === rule.port) return most;
  if (rule.endPort === undefined || port < rule.port || port > rule.endPort) return 0;
  return atMost(({ yes: 2, unknown: 1, no: 0 } as const)[cni.endPort]);
}

function highest(truths: readonly Truth[]): Truth {
  return Math.max(0, ...truths) as Truth;
}

function selects({ matchLabels = {}, matchExpressions = [] }: LabelSelector, labels: Labels): boolean {
  const value = (key: string) => (Object.hasOwn(labels, key) ? labels[key] : undefined);
  for (const [key, wanted] of Object.entries(matchLabels)) if (value(key) !== wanted) return false;
  for (const { key, operator, values } of matchExpressions) {
    const has = value(key);
    const listed = has !== undefined && (values ?? []).includes(has);
    if (operator === 'In' && !listed) return false;
    if (operator === 'NotIn' && listed) return false;
    if (operator === 'Exists' && has === undefined) return false;
    if (operator === 'DoesNotExist' && has !== undefined) return false;
  }
  return true;
}

interface Range {
  readonly family: 4 | 6;
  readonly from: bigint;
  readonly to: bigint;
}

function rangeOf(cidr: string): Range {
  const [ip = '', prefix = ''] = cidr.split('/');
  const address = parseIp(ip);
  if (!address) throw new Error(`the test's own cidr is wrong: ${cidr}`);
  const size = 2n ** BigInt((address.family === 4 ? 32 : 128) - Number(prefix));
  const from = address.value - (address.value % size);
  return { family: address.family, from, to: from + size - 1n };
}

function within({ family, from, to }: Range, address: IpAddress): boolean {
  return address.family === family && address.value >= from && address.value <= to;
}

/** Nodes call from all of their addresses, and answer on those of the host alone. */
type Role = 'sending' | 'answering';

/** Everything that a party may be. */
function beings(cluster: Cluster, policies: readonly NetworkPolicy[], party: Party, role: Role): Being[] {
  const bare = { namespace: '', labels: {}, ports: [], node: undefined };
  switch (party.kind) {
    case 'address': {
      const { v4, v6 } = cluster.cidrs.pods;
      const isPod = (party.ip.family === 4 ? v4 : v6).some(
        ([from, to]) => party.ip.value >= from && party.ip.value <= to,
      );
      return [{ ...bare, kind: isPod ? 'stray' : 'outside', address: party.ip }];
    }
    case 'node': {
      const node = cluster.nodes.find(({ name }) => name === party.name);
      const known = (role === 'answering' ? node?.hostIps : node?.ips) ?? [];
      const addresses = known.length > 0 ? known.map(addressOf) : anyAddress(cluster, policies, networkOf(role));
      return addresses.map((address) => ({ ...bare, kind: 'host', node: party.name, address }));
    }
    case 'workload':
      return workloadBeings(cluster, policies, party.workload, role);
  }
}

function networkOf(role: Role): 'callers' | 'servers' {
  return role === 'answering' ? 'servers' : 'callers';
}

function workloadBeings(cluster: Cluster, policies: readonly NetworkPolicy[], key: WorkloadKey, role: Role): Being[] {
  const workload = cluster.workloads.get(key);
  if (!workload) throw new Error(`the test's own workload is missing: ${key}`);
  const live = cluster.pods.filter(
    ({ workload: owner, phase, endMs }) =>
      owner === key && phase !== 'Succeeded' && phase !== 'Failed' && endMs === undefined,
  );
  const found: Being[] = [];
  const places = live.flatMap((pod) => knownPlaces(cluster, pod));
  const add = (shape: Pick<Pod, 'labels' | 'containerPorts' | 'hostNetwork'>, at: readonly Place[], node?: string) => {
    const kind = shape.hostNetwork ? 'host' : 'pod';
    const ports = shape.containerPorts;
    const network = kind === 'pod' ? 'pods' : networkOf(role);
    const anywhere = (on: string | undefined) =>
      anyAddress(cluster, policies, network).map((address): Place => ({ node: on, address }));
    const answering = (place: Place) => {
      const host = cluster.nodes.find(({ name }) => name === place.node);
      if (network !== 'servers' || host === undefined) return [place];
      if (host.hostIps.length === 0) return anywhere(place.node);
      return host.hostIps.map(addressOf).some(({ value }) => value === place.address.value) ? [place] : [];
    };
    for (const place of at.length > 0 ? at.flatMap(answering) : anywhere(node)) {
      const identity =
        kind === 'pod' ? { namespace: workload.namespace, labels: shape.labels } : { namespace: '', labels: {} };
      found.push({ kind, ...identity, ports, ...place });
    }
  };
  for (const pod of live) {
    const own = knownPlaces(cluster, pod);
    add(pod, own.length > 0 ? own : places, pod.node);
  }
  const rolls = workload.kind !== 'Job' && workload.kind !== 'Pod' && !live.some(({ virtual }) => virtual);
  if (live.length === 0) add({ ...workload, labels: workload.podLabels }, []);
  else if (rolls) {
    // The next rollout may stand wherever a pod stands now.
    const template = { ...workload, labels: workload.podLabels };
    if (places.length > 0) add(template, places);
    else for (const { node } of live) add(template, [], node);
  }
  return found;
}

interface Place {
  readonly node: string | undefined;
  readonly address: IpAddress;
}

function knownPlaces(cluster: Cluster, { ips, node, hostNetwork }: Pod): Place[] {
  const ofNode = hostNetwork ? cluster.nodes.find(({ name }) => name === node)?.ips : undefined;
  return (ofNode ?? ips).map((ip) => ({ node, address: addressOf(ip) }));
}

function addressOf(ip: string): IpAddress {
  const address = parseIp(ip);
  if (!address) throw new Error(`the test's own address is wrong: ${ip}`);
  return address;
}

/** Addresses of the network around every border that any policy draws: they stand for all. */
function anyAddress(
  cluster: Cluster,
  policies: readonly NetworkPolicy[],
  kind: 'pods' | 'callers' | 'servers',
): IpAddress[] {
  const { pods, nodes, complete } = cluster.cidrs;
  const network = kind === 'pods' ? pods : nodes;
  const bounded = complete && network.v4.length + network.v6.length > 0;
  const ranges: Range[] = bounded
    ? [
        ...network.v4.map(([from, to]) => ({ family: 4 as const, from, to })),
        ...network.v6.map(([from, to]) => ({ family: 6 as const, from, to })),
      ]
    : [rangeOf('0.0.0.0/0'), rangeOf('::/0')];
  const peers = policies.flatMap(({ spec }) => [
    ...(spec.ingress ?? []).flatMap(({ from }) => from ?? []),
    ...(spec.egress ?? []).flatMap(({ to }) => to ?? []),
  ]);
  const borders = [
    ...ranges,
    ...peers.flatMap(({ ipBlock }) => (ipBlock ? [ipBlock.cidr, ...(ipBlock.except ?? [])].map(rangeOf) : [])),
  ].flatMap(({ family, from, to }) => [from - 1n, from, to, to + 1n].map((value) => ({ family, value })));
  const inPods = (address: IpAddress) =>
    (address.family === 4 ? pods.v4 : pods.v6).some(([from, to]) => address.value >= from && address.value <= to);
  const isHost = ({ family, value }: IpAddress) =>
    cluster.nodes.some(({ hostIps }) =>
      hostIps.map(addressOf).some((host) => host.family === family && host.value === value),
    );
  const answers = (address: IpAddress) => kind !== 'servers' || !bounded || !inPods(address) || isHost(address);
  return borders.filter((address) => ranges.some((range) => within(range, address)) && answers(address));
}
