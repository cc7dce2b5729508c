import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import type { ExecutionContext } from 'ava';
import { NetworkHost } from './network-host.ts';

/** A host with an address of each family. */
export interface HostPlan {
  readonly name: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** A Service address of the node's: what is sent there goes to the backends in turn. */
export interface ServicePlan {
  readonly address: string;
  readonly protocol: 'TCP' | 'UDP';
  readonly port: number;
  readonly backends: readonly string[];
  readonly targetPort: number;
  /** The address is the node's own, and whoever comes that way is hidden behind it (`externalTrafficPolicy: Cluster`). */
  readonly isNodePort?: boolean;
}

export interface NodePlan {
  readonly node: HostPlan;
  readonly pods: readonly HostPlan[];
  /** The world: hosts behind the node's uplink, all in one namespace. The first is the one it sends from by itself. */
  readonly outside: readonly HostPlan[];
  readonly services: readonly ServicePlan[];
}

const sbin = '/usr/sbin';
const prefix = 'nanoseg-';
const uplink = { router4: '198.51.100.1', router6: 'fe80::2' };

/** What is missing for network tests on this machine, in words; undefined when a node can be made. */
export function networkMissing(): string | undefined {
  if (process.platform !== 'linux') return 'Linux';
  if (process.getuid?.() !== 0) return 'root';
  return ['ip', 'nft'].find((command) => !existsSync(`${sbin}/${command}`));
}

/**
 * A node of network namespaces: pods behind veth pairs that the node routes between, Service addresses by DNAT, pods
 * masqueraded on their way to outside (IPv4), and an outside that is one more namespace. Nothing is in the root namespace,
 * and no interface leads out of the machine.
 */
export class NetworkNode {
  readonly plan: NodePlan;
  /** Name of the node's own namespace. */
  readonly namespace: string;
  readonly #prefix: string;
  readonly #hosts = new Map<string, NetworkHost>();

  private constructor(plan: NodePlan) {
    this.plan = plan;
    this.#prefix = `${prefix}${process.pid}-${randomUUID().slice(0, 8)}-`;
    this.namespace = this.#namespaceOf(plan.node.name);
  }

  /** Up and tried; whatever fails on the way leaves nothing behind. */
  static async start(plan: NodePlan): Promise<NetworkNode> {
    const missing = networkMissing();
    if (missing !== undefined) throw new Error(`these tests need ${missing}`);
    await removeStale();
    const node = new NetworkNode(plan);
    try {
      await node.#makeInterfaces();
      await node.#startHosts();
      await node.nft(baseRules(plan));
      return node;
    } catch (error) {
      await node.stop();
      throw error;
    }
  }

  /** The same within a test, at whose end it is stopped. */
  static async within(t: ExecutionContext, plan: NodePlan): Promise<NetworkNode> {
    const node = await NetworkNode.start(plan);
    t.teardown(() => node.stop());
    return node;
  }

  /** A pod, the node, or the first of outside by its name. */
  host(name: string): NetworkHost {
    const outside = this.plan.outside.some((host) => host.name === name) ? this.plan.outside[0]?.name : undefined;
    const host = this.#hosts.get(outside ?? name);
    if (host === undefined) throw new RangeError(`the node has no ${name}`);
    return host;
  }

  /** Loads rules into the node's namespace, all or none. */
  async nft(rules: string): Promise<void> {
    await run(`${sbin}/ip`, ['netns', 'exec', this.namespace, `${sbin}/nft`, '-f', '-'], rules);
  }

  /** What runs in it is killed, and what is left of it is removed. */
  async stop(): Promise<void> {
    await Promise.all([...this.#hosts.values()].map((host) => host.stop()));
    this.#hosts.clear();
    await removeNamespaces((namespace) => namespace.startsWith(this.#prefix));
  }

  #namespaceOf(host: string): string {
    return `${this.#prefix}${host}`;
  }

  async #makeInterfaces(): Promise<void> {
    const { node, pods, outside, services } = this.plan;
    const [world] = outside;
    const inNode = [
      'link set lo up',
      `addr add ${node.ipv4}/32 dev lo`,
      `addr add ${node.ipv6}/128 dev lo nodad`,
      ...pods.flatMap(({ ipv4, ipv6 }, i) => {
        const device = `pod${i}`;
        // nothing waits for addresses to be proved unique: the gateway of IPv6 is given, not made up by the kernel
        return [
          `link set ${device} addrgenmode none`,
          `link set ${device} up`,
          `addr add fe80::1/64 dev ${device} nodad`,
          `route add ${ipv4}/32 dev ${device} src ${node.ipv4}`,
          `route add ${ipv6}/128 dev ${device} src ${node.ipv6}`,
        ];
      }),
    ];
    // the node's own packets need a way to go before they are translated
    const addresses = new Set(services.filter(({ isNodePort }) => !isNodePort).map(({ address }) => address));
    inNode.push(...[...addresses].map((address) => `route add ${address} dev pod0`));
    const create = [...pods.map(({ name }) => name), node.name].map((name) => `netns add ${this.#namespaceOf(name)}`);
    const connect = pods.map(
      ({ name }, i) =>
        `link add pod${i} netns ${this.namespace} type veth peer name eth0 netns ${this.#namespaceOf(name)}`,
    );
    const inside = new Map(pods.map((pod) => [this.#namespaceOf(pod.name), podInterface(pod, node)]));
    if (world !== undefined) {
      const namespace = this.#namespaceOf(world.name);
      create.push(`netns add ${namespace}`);
      connect.push(`link add uplink netns ${this.namespace} type veth peer name eth0 netns ${namespace}`);
      inNode.push(
        'link set uplink addrgenmode none',
        'link set uplink up',
        'addr add fe80::1/64 dev uplink nodad',
        `route add ${uplink.router4}/32 dev uplink src ${node.ipv4}`,
        ...outside.flatMap(({ ipv4, ipv6 }) => [
          `route add ${ipv4}/32 via ${uplink.router4} dev uplink src ${node.ipv4}`,
          `route add ${ipv6}/128 via ${uplink.router6} dev uplink src ${node.ipv6}`,
        ]),
      );
      inside.set(namespace, outsideInterface(outside, node));
    }
    await ipBatch([], [...create, ...connect]);
    inside.set(this.namespace, inNode);
    await Promise.all([...inside].map(([namespace, lines]) => ipBatch(['-n', namespace], lines)));
  }

  async #startHosts(): Promise<void> {
    const { node, pods, outside } = this.plan;
    const addressesOf = (...hosts: readonly HostPlan[]) => hosts.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]);
    const starting = [node, ...pods, ...outside.slice(0, 1)].map(async (host) => {
      const { name } = host;
      const settings = host === node ? { ...unlimitedErrors, ...forwarding } : unlimitedErrors;
      const addresses = host === outside[0] ? addressesOf(...outside) : addressesOf(host);
      this.#hosts.set(name, await NetworkHost.start(name, this.#namespaceOf(name), addresses, settings));
    });
    const failed = (await Promise.allSettled(starting)).find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  }
}

/** The kernel would tell only some of the refusals, and then a test could not tell them from silence. */
const unlimitedErrors = {
  'net/ipv4/icmp_ratemask': '0',
  // of the types that nobody sends: an empty list is not taken
  'net/ipv6/icmp/ratemask': '127',
};
const forwarding = { 'net/ipv4/ip_forward': '1', 'net/ipv6/conf/all/forwarding': '1' };

function podInterface({ ipv4, ipv6 }: HostPlan, node: HostPlan): string[] {
  return [
    'link set lo up',
    'link set eth0 addrgenmode none',
    'link set eth0 up',
    `addr add ${ipv4}/32 dev eth0`,
    `addr add ${ipv6}/128 dev eth0 nodad`,
    `route add ${node.ipv4} dev eth0 scope link`,
    `route add default via ${node.ipv4} dev eth0`,
    'route add default via fe80::1 dev eth0',
  ];
}

function outsideInterface(outside: readonly HostPlan[], node: HostPlan): string[] {
  const [first] = outside;
  return [
    'link set lo up',
    'link set eth0 addrgenmode none',
    'link set eth0 up',
    `addr add ${uplink.router4}/32 dev eth0`,
    `addr add ${uplink.router6}/64 dev eth0 nodad`,
    ...outside.flatMap(({ ipv4, ipv6 }) => [`addr add ${ipv4}/32 dev lo`, `addr add ${ipv6}/128 dev lo nodad`]),
    `route add ${node.ipv4}/32 dev eth0 scope link src ${first?.ipv4}`,
    `route add default via ${node.ipv4} dev eth0 src ${first?.ipv4}`,
    `route add default via fe80::1 dev eth0 src ${first?.ipv6}`,
  ];
}

/** What any node has that runs pods: these rules make the kernel track connections. */
function baseRules({ pods, services }: NodePlan): string {
  const translate = services.map((service) => `    ${translation(service)}`).join('\n');
  const masquerade = pods.map(({ ipv4 }) => ipv4).join(', ');
  // a pod that reaches itself by a Service has to be answered by way of the node
  const hairpins = pods.flatMap(({ ipv4, ipv6 }) => [
    `    ip saddr ${ipv4} ip daddr ${ipv4} masquerade`,
    `    ip6 saddr ${ipv6} ip6 daddr ${ipv6} masquerade`,
  ]);
  return `table inet node {
  chain prerouting {
    type nat hook prerouting priority -100; policy accept;
${translate}
  }
  chain output {
    type nat hook output priority -100; policy accept;
${translate}
  }
  chain postrouting {
    type nat hook postrouting priority 100; policy accept;
    meta mark ${hidden} masquerade
    ip saddr { ${masquerade} } oifname "uplink" masquerade
${hairpins.join('\n')}
  }
  chain forward {
    type filter hook forward priority -10; policy accept;
    ct state invalid counter drop
  }
}
`;
}

/** Set on packets that came in by a port of the node, until they leave it. */
const hidden = '0x4000';

function translation({ address, protocol, port, backends, targetPort, isNodePort }: ServicePlan): string {
  const family = isIPv6(address) ? 'ip6' : 'ip';
  const targets = backends.map((backend, i) => `${i} : ${backend}`).join(', ');
  const to = `numgen inc mod ${backends.length} map { ${targets} }`;
  const mark = isNodePort === true ? `meta mark set ${hidden} ` : '';
  return `${family} daddr ${address} ${protocol.toLowerCase()} dport ${port} ${mark}dnat ${family} to ${to} : ${targetPort}`;
}

/** What a test process left behind that was killed: its namespaces carry its process id. */
async function removeStale(): Promise<void> {
  await removeNamespaces((namespace) => {
    const pid = new RegExp(`^${prefix}([0-9]+)-`).exec(namespace)?.[1];
    return pid !== undefined && !existsSync(`/proc/${pid}`);
  });
}

async function removeNamespaces(which: (namespace: string) => boolean): Promise<void> {
  const present = existsSync('/run/netns') ? await readdir('/run/netns') : [];
  const lines = present.filter(which).map((namespace) => `netns del ${namespace}`);
  // two test files may tidy up the same at the same time
  if (lines.length > 0) await ipBatch(['-force'], lines).catch(() => undefined);
}

async function ipBatch(options: readonly string[], lines: readonly string[]): Promise<void> {
  await run(`${sbin}/ip`, [...options, '-batch', '-'], `${lines.join('\n')}\n`);
}

function run(command: string, args: readonly string[], input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(command, args, { maxBuffer: 1 << 24 }, (error, out, err) => {
      if (error === null) resolve(out);
      else reject(new Error(`${command} ${args.join(' ')}: ${err || error.message}\n${input}`));
    });
    child.stdin?.end(input);
  });
}
