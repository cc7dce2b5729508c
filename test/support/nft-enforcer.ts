import { isIPv6 } from 'node:net';

/**
 * A NetworkPolicy enforcer for one node, as a set of nftables rules in the node's namespace. It is written from the API's
 * documentation and shares no code with nanoseg, so that real packets can judge nanoseg's answers. It reads the objects as
 * the API server gives them.
 *
 * What it does where the API leaves plugins free: every packet is judged by the pods' own addresses, after a Service
 * address became a backend's and before a pod is hidden behind its node; an ipBlock matches any address; a pod's own node
 * always reaches it; connections that are open stay open; whatever is neither TCP, UDP nor SCTP passes. It says no with
 * "administratively prohibited", which nobody else in the test network says, so that no test has to wait for silence.
 */
export interface EnforcedCluster {
  readonly namespaces: readonly { readonly metadata: Metadata }[];
  readonly pods: readonly EnforcedPod[];
  readonly policies: readonly EnforcedPolicy[];
}

interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface EnforcedPod {
  readonly metadata: Metadata;
  readonly spec: {
    readonly hostNetwork?: boolean;
    readonly containers: readonly { readonly ports?: readonly ContainerPort[] }[];
  };
  readonly status: { readonly phase?: string; readonly podIPs?: readonly { readonly ip: string }[] };
}

interface ContainerPort {
  readonly name?: string;
  readonly protocol?: string;
  readonly containerPort: number;
}

export interface EnforcedPolicy {
  readonly metadata: Metadata;
  readonly spec: {
    readonly podSelector?: Selector;
    readonly policyTypes?: readonly string[];
    readonly ingress?: readonly { readonly from?: readonly Peer[]; readonly ports?: readonly Port[] }[];
    readonly egress?: readonly { readonly to?: readonly Peer[]; readonly ports?: readonly Port[] }[];
  };
}

interface Selector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

interface Peer {
  readonly podSelector?: Selector;
  readonly namespaceSelector?: Selector;
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
}

interface Port {
  readonly protocol?: string;
  readonly port?: number | string;
  readonly endPort?: number;
}

type Direction = 'ingress' | 'egress';

/** A pod in the network, with its addresses. */
interface Member {
  readonly id: string;
  readonly pod: EnforcedPod;
  readonly addresses: readonly string[];
}

const table = 'inet enforcer';

/** Takes the place of the rules that were loaded before, in one step; open connections go on. */
export function enforcementRules(cluster: EnforcedCluster): string {
  const members = cluster.pods.filter(isInNetwork).map((pod, i): Member => {
    return { id: String(i), pod, addresses: (pod.status.podIPs ?? []).map(({ ip }) => ip) };
  });
  const chains: string[] = [];
  const jumps: string[] = [];
  for (const direction of ['egress', 'ingress'] as const) {
    for (const member of members) {
      const isolating = isolatingPolicies(cluster, member.pod, direction);
      if (isolating.length === 0) continue;
      const chain = `${direction}-${member.id}`;
      const allowed = isolating.flatMap((policy) => policyLines(cluster, members, member, policy, direction));
      chains.push(block(`chain ${chain}`, [...allowed, 'counter reject with icmpx type admin-prohibited']));
      const side = direction === 'egress' ? 'saddr' : 'daddr';
      jumps.push(...member.addresses.map((address) => `${match(side, address)} jump ${chain}`));
    }
  }
  const judge = [
    'ct state established,related accept',
    'meta l4proto != { tcp, udp, sctp } accept',
    // nobody can cut a pod off from itself
    ...members.flatMap(({ addresses }) =>
      addresses.map((address) => `${match('saddr', address)} ${match('daddr', address)} accept`),
    ),
    ...jumps,
  ];
  // what the node itself sends passes by: it is no pod's, and its pods have to answer it
  return [
    `table ${table}`,
    `delete table ${table}`,
    `table ${table} {`,
    ...chains,
    block('chain judge', judge),
    block('chain forward', ['type filter hook forward priority 0; policy accept;', 'jump judge']),
    block('chain input', ['type filter hook input priority 0; policy accept;', 'jump judge']),
    '}',
    '',
  ].join('\n');
}

/** Names of the policies that isolate a pod in that direction, for the message of a failed test. */
export function isolatingNames(cluster: EnforcedCluster, pod: EnforcedPod, direction: Direction): readonly string[] {
  return isolatingPolicies(cluster, pod, direction).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
}

function block(head: string, lines: readonly string[]): string {
  return `  ${head} {\n${lines.map((line) => `    ${line}\n`).join('')}  }`;
}

function isInNetwork({ spec, status }: EnforcedPod): boolean {
  return spec.hostNetwork !== true && status.phase !== 'Succeeded' && status.phase !== 'Failed';
}

function isolatingPolicies(
  { policies }: EnforcedCluster,
  pod: EnforcedPod,
  direction: Direction,
): readonly EnforcedPolicy[] {
  return policies.filter(
    ({ metadata, spec }) =>
      isInNetwork(pod) &&
      metadata.namespace === pod.metadata.namespace &&
      selects(spec.podSelector ?? {}, pod.metadata.labels) &&
      typesOf(spec).includes(direction),
  );
}

function typesOf({ policyTypes = [], egress = [] }: EnforcedPolicy['spec']): readonly string[] {
  if (policyTypes.length > 0) return policyTypes.map((type) => type.toLowerCase());
  return egress.length > 0 ? ['ingress', 'egress'] : ['ingress'];
}

/** One line for each thing that the policy lets through: `ip daddr { … } tcp dport 80 return`. */
function policyLines(
  cluster: EnforcedCluster,
  members: readonly Member[],
  subject: Member,
  { metadata, spec }: EnforcedPolicy,
  direction: Direction,
): string[] {
  const rules =
    direction === 'ingress'
      ? (spec.ingress ?? []).map(({ from = [], ports = [] }) => ({ peers: from, ports }))
      : (spec.egress ?? []).map(({ to = [], ports = [] }) => ({ peers: to, ports }));
  const side = direction === 'ingress' ? 'saddr' : 'daddr';
  return rules.flatMap(({ peers, ports }, i) => {
    const comment = `return comment "${metadata.namespace}/${metadata.name} ${direction} ${i}"`;
    const everybody = peers.length === 0;
    const blocks = peers.flatMap(({ ipBlock }) => (ipBlock === undefined ? [] : [blockMatch(side, ipBlock)]));
    const pods = members.filter(({ pod }) =>
      peers.some((peer) => peerSelects(cluster, metadata.namespace ?? '', peer, pod)),
    );
    const everyPort: readonly Port[] = [{ protocol: 'TCP' }, { protocol: 'UDP' }, { protocol: 'SCTP' }];
    return (ports.length === 0 ? everyPort : ports).flatMap((port) => {
      if (typeof port.port !== 'string' || direction === 'ingress') {
        const numbers = typeof port.port === 'string' ? namedNumbers(subject.pod, port) : [port];
        const whom = everybody ? [''] : [...blocks, ...addressMatches(side, pods)];
        return numbers.flatMap((number) => whom.map((who) => `${who} ${portMatch(number)} ${comment}`));
      }
      // a name means what each server calls so
      return (everybody ? members : pods).flatMap((member) =>
        namedNumbers(member.pod, port).flatMap((number) =>
          addressMatches(side, [member]).map((who) => `${who} ${portMatch(number)} ${comment}`),
        ),
      );
    });
  });
}

function peerSelects(
  { namespaces }: EnforcedCluster,
  policyNamespace: string,
  { ipBlock, podSelector, namespaceSelector }: Peer,
  { metadata }: EnforcedPod,
): boolean {
  if (ipBlock !== undefined) return false;
  const labels = namespaces.find(({ metadata: { name } }) => name === metadata.namespace)?.metadata.labels;
  const inNamespace =
    namespaceSelector === undefined ? metadata.namespace === policyNamespace : selects(namespaceSelector, labels);
  return inNamespace && (podSelector === undefined || selects(podSelector, metadata.labels));
}

function selects(
  { matchLabels = {}, matchExpressions = [] }: Selector,
  labels: Readonly<Record<string, string>> = {},
): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labels[key];
      if (operator === 'In') return value !== undefined && values.includes(value);
      if (operator === 'NotIn') return value === undefined || !values.includes(value);
      if (operator === 'Exists') return value !== undefined;
      if (operator === 'DoesNotExist') return value === undefined;
      throw new Error(`an operator that the API does not have: ${operator}`);
    })
  );
}

/** Where that pod listens under the port's name, for its protocol. */
function namedNumbers({ spec }: EnforcedPod, { port, protocol = 'TCP' }: Port): Port[] {
  return spec.containers
    .flatMap(({ ports = [] }) => ports)
    .filter((one) => one.name === port && (one.protocol ?? 'TCP') === protocol)
    .map(({ containerPort }) => ({ protocol, port: containerPort }));
}

function portMatch({ protocol = 'TCP', port, endPort }: Port): string {
  const name = protocol.toLowerCase();
  if (port === undefined) return `meta l4proto ${name}`;
  return `${name} dport ${endPort === undefined ? port : `${port}-${endPort}`}`;
}

type Side = 'saddr' | 'daddr';

function match(side: Side, address: string): string {
  return `${isIPv6(address.split('/')[0] ?? '') ? 'ip6' : 'ip'} ${side} ${address}`;
}

/** One for each family that any of them has an address of. */
function addressMatches(side: Side, members: readonly Member[]): string[] {
  const addresses = members.flatMap((member) => member.addresses);
  const ofFamily = (family: 'ip' | 'ip6', own: readonly string[]) =>
    own.length === 0 ? [] : [`${family} ${side} { ${own.join(', ')} }`];
  return [
    ...ofFamily(
      'ip',
      addresses.filter((address) => !isIPv6(address)),
    ),
    ...ofFamily(
      'ip6',
      addresses.filter((address) => isIPv6(address)),
    ),
  ];
}

function blockMatch(side: Side, { cidr, except = [] }: { readonly cidr: string; readonly except?: readonly string[] }) {
  const family = cidr.includes(':') ? 'ip6' : 'ip';
  const holes = except.length === 0 ? '' : ` ${family} ${side} != { ${except.join(', ')} }`;
  return `${family} ${side} ${cidr}${holes}`;
}
