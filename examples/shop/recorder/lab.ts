import { execFileSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { outsideHosts, visitorAddresses } from './traffic.ts';

/** Addresses of the example: the nodes, their pod ranges, and how pods reach their node. */
export interface LabNode {
  readonly name: 'node-a' | 'node-b';
  readonly ipv4: string;
  readonly ipv6: string;
  /** First 24 bits of the pods' addresses. */
  readonly pods4: string;
  /** First 64 bits. */
  readonly pods6: string;
}

export const nodes: readonly [LabNode, LabNode] = [
  { name: 'node-a', ipv4: '172.18.0.11', ipv6: 'fd00:172:18::11', pods4: '10.42.1', pods6: 'fd00:10:42:1' },
  { name: 'node-b', ipv4: '172.18.0.12', ipv6: 'fd00:172:18::12', pods4: '10.42.2', pods6: 'fd00:10:42:2' },
];

export const clusterRanges = {
  pods: ['10.42.0.0/16', 'fd00:10:42::/48'],
  nodes: ['172.18.0.0/24', 'fd00:172:18::/64'],
  services: ['10.96.0.0/16', 'fd00:10:96::/112'],
} as const;

export const apiServerPort = 6443;
export const loadBalancerAddresses = ['192.0.2.80', '2001:db8:80::80'] as const;

const gateway4 = '169.254.1.1';
const gateway6 = 'fe80::1';

const sysctls = [
  'net.ipv4.ip_forward=1',
  'net.ipv6.conf.all.forwarding=1',
  'net.netfilter.nf_conntrack_acct=1',
  // Short, so that the ends of most connections are in the recording.
  'net.netfilter.nf_conntrack_tcp_timeout_time_wait=3',
  'net.netfilter.nf_conntrack_udp_timeout=4',
];

function run(command: string, args: readonly string[], input = ''): string {
  return execFileSync(command, args, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });
}

/** One `ip -batch` in a namespace; the lines are `ip` commands without `ip`. */
function ip(namespace: string, lines: readonly string[]): void {
  run('ip', ['-n', namespace, '-batch', '-'], lines.join('\n'));
}

/** The command line that runs a program inside of a namespace. */
export function inNamespace(namespace: string, command: readonly string[]): readonly string[] {
  return ['nsenter', `--net=/run/netns/${namespace}`, '--', ...command];
}

/**
 * Throws unless this process is alone: in a network namespace of its own without any interface but loopback, so that
 * no packet could leave the machine whatever goes wrong later. Fallback tunnels that the kernel makes count as nothing.
 */
export function assertAlone(outerNamespace: string): void {
  const links = run('ip', ['-o', 'link']).split('\n');
  const devices = links.filter((link) => link !== '' && !/^\d+: (?:lo|sit0|tunl0|ip6tnl0)[:@]/.test(link));
  if (readlinkSync('/proc/self/ns/net') !== outerNamespace && devices.length === 0) return;
  throw new Error(`not in an empty network namespace of its own, so nothing was sent: ${devices.join('; ')}`);
}

/** Builds the nodes, the wire between them, and the hosts outside; throws before any packet could be sent. */
export function buildLab(): void {
  // Only this process and its children see this /run: the names of the namespaces vanish with them.
  run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
  for (const namespace of ['fabric', 'outside', 'visitors', ...nodes.map(({ name }) => name)]) {
    run('ip', ['netns', 'add', namespace]);
    ip(namespace, ['link set lo up']);
  }
  ip('fabric', ['link add wire type bridge mcast_snooping 0', 'link set wire up']);
  for (const namespace of ['outside', 'visitors', ...nodes.map(({ name }) => name)]) plugIn(namespace);
  for (const node of nodes) buildNode(node);
  const [a, b] = nodes;
  ip('outside', [
    ...Object.values(outsideHosts).map(({ address }) => addAddress(address, 'wire')),
    `route add 172.18.0.0/24 dev wire`,
    `route add fd00:172:18::/64 dev wire`,
  ]);
  const [balancer4, balancer6] = loadBalancerAddresses;
  ip('visitors', [
    ...visitorAddresses.map((address) => addAddress(address, 'wire')),
    `route add 172.18.0.0/24 dev wire`,
    `route add fd00:172:18::/64 dev wire`,
    // The load balancer: each visitor stays with one of the nodes.
    `route add ${balancer4} nexthop via ${a.ipv4} nexthop via ${b.ipv4}`,
    `route add ${balancer6} nexthop via ${a.ipv6} nexthop via ${b.ipv6}`,
  ]);
}

function addAddress(address: string, device: string): string {
  return address.includes(':') ? `addr add ${address}/128 dev ${device} nodad` : `addr add ${address}/32 dev ${device}`;
}

function plugIn(namespace: string): void {
  run('ip', ['link', 'add', 'wire', 'netns', namespace, 'type', 'veth', 'peer', 'name', namespace, 'netns', 'fabric']);
  ip('fabric', [`link set ${namespace} master wire`, `link set ${namespace} up`]);
  ip(namespace, ['link set wire up']);
}

function buildNode({ name, ipv4, ipv6 }: LabNode): void {
  for (const sysctl of sysctls) run('nsenter', [`--net=/run/netns/${name}`, '--', 'sysctl', '-qw', sysctl]);
  const others = nodes.filter((node) => node.name !== name);
  ip(name, [
    `addr add ${ipv4}/24 dev wire`,
    `addr add ${ipv6}/64 dev wire nodad`,
    ...others.map((other) => `route add ${other.pods4}.0/24 via ${other.ipv4} src ${ipv4}`),
    ...others.map((other) => `route add ${other.pods6}::/64 via ${other.ipv6} src ${ipv6}`),
    `route add 203.0.113.0/24 dev wire src ${ipv4}`,
    `route add 198.51.100.0/24 dev wire src ${ipv4}`,
    `route add 2001:db8::/32 dev wire src ${ipv6}`,
  ]);
}

/** Makes the namespace of a pod on its node: addresses of both families, the node as the only way out. */
export function attachPod(namespace: string, node: LabNode, ipv4: string, ipv6: string): void {
  const device = deviceOf(ipv4);
  run('ip', ['netns', 'add', namespace]);
  run('ip', ['link', 'add', device, 'netns', node.name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace]);
  ip(node.name, [
    `addr add ${gateway4}/32 dev ${device}`,
    `addr add ${gateway6}/64 dev ${device} nodad`,
    `link set ${device} up`,
    `route add ${ipv4}/32 dev ${device} src ${node.ipv4}`,
    `route add ${ipv6}/128 dev ${device} src ${node.ipv6}`,
  ]);
  ip(namespace, [
    'link set lo up',
    'link set eth0 up',
    addAddress(ipv4, 'eth0'),
    addAddress(ipv6, 'eth0'),
    `route add ${gateway4} dev eth0 scope link src ${ipv4}`,
    `route add default via ${gateway4} src ${ipv4}`,
    `route add ::/0 via ${gateway6} dev eth0 src ${ipv6}`,
  ]);
}

/** Takes the pod's interface away before its address is given to another pod; the namespace goes with its last process. */
export function detachPod(namespace: string, node: LabNode, ipv4: string): void {
  ip(node.name, [`link del ${deviceOf(ipv4)}`]);
  run('ip', ['netns', 'delete', namespace]);
}

function deviceOf(ipv4: string): string {
  return `pod${ipv4.split('.').at(-1)}`;
}

/** Loads an nft rule set on a node in one transaction, and throws when the kernel does not have it then. */
export function loadRules(node: LabNode, rules: string): void {
  const inside = [`--net=/run/netns/${node.name}`, '--'];
  run('nsenter', [...inside, 'nft', '-f', '-'], rules);
  run('nsenter', [...inside, 'nft', 'list', 'chain', 'inet', 'shop', 'policies']);
}
