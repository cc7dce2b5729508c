import {
  cidrSetOf,
  type CidrSet,
  hasAddress,
  type IpAddress,
  formatIp,
  parseIp,
  unionAddresses,
} from '../model/cidr.ts';
import type { Cluster, Node, Pod, Service } from '../model/cluster.ts';

/** Who owned an address at a time, or why nobody is named. */
export type Owner =
  /** `position`: among the pods of the cluster. */
  | { readonly kind: 'pod'; readonly pod: Pod; readonly position: number }
  | { readonly kind: 'node'; readonly node: Node }
  | { readonly kind: 'service'; readonly service: Service }
  | { readonly kind: 'api-server' }
  /** Outside of the cluster; `address` is canonical. */
  | { readonly kind: 'external'; readonly address: string }
  | {
      readonly kind: 'unknown';
      readonly reason: 'ambiguous' | 'before-inventory' | 'no-owner';
      readonly address: string;
    };

/** One pod's time with an address, [fromMs, toMs). */
interface Tenure {
  readonly fromMs: number;
  readonly toMs: number;
  readonly owner: Extract<Owner, { kind: 'pod' }>;
}

/** Everybody who ever had one address. */
interface Slot {
  /** By start. */
  readonly tenures: Tenure[];
  /** Where there was never anybody else, as with nearly every address. */
  sole: Tenure | undefined;
  node: Extract<Owner, { kind: 'node' }> | undefined;
  service: Extract<Owner, { kind: 'service' }> | undefined;
  apiServer: boolean;
}

/** Addresses that are not routed on the internet, so that only the cluster's own ranges could tell whose they are. */
const privateRanges = cidrSetOf(
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '198.18.0.0/15',
  '224.0.0.0/3',
  'fc00::/7',
  'ff00::/8',
);
/** Never leaves the host that uses it. */
const loopback = cidrSetOf('0.0.0.0/8', '127.0.0.0/8', '::/127');
/** Metadata services and node-local DNS: outside of every pod network, and each address has a meaning of its own. */
const linkLocal = cidrSetOf('169.254.0.0/16', 'fe80::/10');

/**
 * Who owned which address when: intervals from the inventory, looked up by address, port and time. Where two owners
 * overlap, or the inventory does not reach back, the answer is `unknown`: it never guesses, and never calls an address
 * inside of the cluster external.
 */
export class IdentityLedger {
  readonly #slots = new Map<string, Slot>();
  readonly #inside: CidrSet;
  readonly #complete: boolean;
  readonly #apiServerPort: number | undefined;
  readonly #strangers = new Map<string, Owner>();

  constructor({ pods, nodes, services, apiServer, cidrs }: Cluster) {
    this.#inside = unionAddresses(unionAddresses(cidrs.pods, cidrs.services), cidrs.nodes);
    this.#complete = cidrs.complete;
    this.#apiServerPort = apiServer.port;
    for (const [position, pod] of pods.entries()) this.#addPod(pod, position);
    for (const node of nodes) for (const ip of node.ips) this.#slot(ip).node ??= { kind: 'node', node };
    for (const service of services)
      for (const ip of service.ips) this.#slot(ip).service ??= { kind: 'service', service };
    for (const ip of apiServer.ips) this.#slot(ip).apiServer = true;
    for (const slot of this.#slots.values()) {
      const { tenures, node, service } = slot;
      tenures.sort((a, b) => a.fromMs - b.fromMs);
      if (tenures.length === 1 && node === undefined && service === undefined && !slot.apiServer)
        slot.sole = tenures[0];
    }
  }

  /**
   * The owner of an address (in any spelling) at a time. `port` is the port on that side; it tells the API server and a
   * load balancer from the node whose address they share. Undefined when the text is no address.
   */
  owner(ip: string, port: number, timeMs: number): Owner | undefined {
    const slot = this.#slots.get(ip);
    if (slot !== undefined) return this.#ownerAt(slot, ip, port, timeMs);
    const known = this.#strangers.get(ip);
    if (known !== undefined) return known;
    const address = parseIp(ip);
    if (address === undefined) return undefined;
    const canonical = formatIp(address);
    const same = this.#slots.get(canonical);
    if (same !== undefined) return this.#ownerAt(same, canonical, port, timeMs);
    const stranger = this.#stranger(address, canonical);
    if (this.#strangers.size >= mostStrangers) this.#strangers.clear();
    this.#strangers.set(ip, stranger);
    return stranger;
  }

  /** Whether the address is in a range that the cluster calls its own. */
  isInside(address: IpAddress): boolean {
    return hasAddress(this.#inside, address);
  }

  #addPod(pod: Pod, position: number): void {
    // The address of a hostNetwork pod is its node's: it says which node, never which pod.
    if (pod.hostNetwork) return;
    const fromMs = pod.startMs ?? Number.NEGATIVE_INFINITY;
    const toMs = pod.endMs ?? Number.POSITIVE_INFINITY;
    for (const ip of pod.ips) this.#slot(ip).tenures.push({ fromMs, toMs, owner: { kind: 'pod', pod, position } });
  }

  #slot(ip: string): Slot {
    const known = this.#slots.get(ip);
    if (known) return known;
    const slot: Slot = { tenures: [], sole: undefined, node: undefined, service: undefined, apiServer: false };
    this.#slots.set(ip, slot);
    return slot;
  }

  #ownerAt(slot: Slot, address: string, port: number, timeMs: number): Owner {
    const { sole } = slot;
    if (sole !== undefined && timeMs >= sole.fromMs && timeMs < sole.toMs) return sole.owner;
    const { tenures, node, service, apiServer } = slot;
    if (apiServer && ((node === undefined && tenures.length === 0) || port === this.#apiServerPort))
      return apiServerOwner;
    const standing = standingOwner(node, service, port);
    let pod: Tenure['owner'] | undefined;
    let rivals = standing !== undefined;
    for (const { fromMs, toMs, owner } of tenures) {
      if (timeMs < fromMs || timeMs >= toMs) continue;
      if (pod !== undefined && pod.pod.workload !== owner.pod.workload) rivals = true;
      pod = owner;
    }
    if (pod !== undefined) return rivals ? { kind: 'unknown', reason: 'ambiguous', address } : pod;
    if (standing !== undefined) return standing;
    const first = tenures[0];
    const reason = first !== undefined && timeMs < first.fromMs ? 'before-inventory' : 'no-owner';
    return { kind: 'unknown', reason, address };
  }

  #stranger(address: IpAddress, canonical: string): Owner {
    const nobody: Owner = { kind: 'unknown', reason: 'no-owner', address: canonical };
    if (this.isInside(address) || hasAddress(loopback, address)) return nobody;
    if (hasAddress(linkLocal, address)) return { kind: 'external', address: canonical };
    return hasAddress(privateRanges, address) && !this.#complete ? nobody : { kind: 'external', address: canonical };
  }
}

const apiServerOwner: Owner = { kind: 'api-server' };

/** Strangers are remembered to save the parsing; a scan of the internet must not fill the memory with them. */
const mostStrangers = 1 << 18;

/** Nodes and Services own their addresses all the time; where they share one, the Service has its ports only. */
function standingOwner(node: Slot['node'], service: Slot['service'], port: number): Owner | undefined {
  if (node === undefined || service === undefined) return node ?? service;
  return service.service.ports.some((one) => one.port === port) ? service : node;
}
