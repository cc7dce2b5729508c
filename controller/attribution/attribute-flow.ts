import { canonicalIp, parseIp } from '../model/cidr.ts';
import type { Cluster, Pod, Service } from '../model/cluster.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { Flow, FlowPeer } from '../model/flow.ts';
import { type PolicyProtocol, policyProtocolOf } from '../model/protocol.ts';
import type { Sighting } from '../model/sighting.ts';
import type { WorkloadKey } from '../model/workload.ts';
import { IdentityLedger, type Owner } from './identity-ledger.ts';
import { type Identified, PeerTable } from './peer-table.ts';
import { type FindServiceTargets, serviceTargetFinder } from './service-targets.ts';
import { type NameMatch, WorkloadNames } from './workload-names.ts';

/** One pod by name; `earlier` holds those that had the name before it. */
interface NamedPod {
  readonly pod: Pod;
  readonly identity: Identified;
  readonly earlier: NamedPod | undefined;
}

/** What attribution noticed beside its answers. */
export interface AttributionCounters {
  readonly flows: number;
  /** Flows whose source names a pod that, by the inventory, did not have the address; the name was believed. */
  readonly contradictions: number;
}

/** Addresses that a source named as the cluster's own infrastructure, for inventories that do not tell them. */
export interface ObservedAddresses {
  readonly apiServer: readonly string[];
  readonly nodes: readonly string[];
}

/** A source cannot fill the memory with the addresses that it names. */
const mostObserved = 10_000;

/**
 * Says who was behind each side of a flow, at the time of the flow. Who the source names wins over the address; what
 * neither tells is `unknown` with a reason.
 */
export class FlowAttributor {
  readonly #cluster: Cluster;
  readonly #ledger: IdentityLedger;
  readonly #names: WorkloadNames;
  readonly #table = new PeerTable();
  readonly #pods = new Map<string, Map<string, NamedPod>>();
  /** Of pods, by their position in the cluster; none for virtual ones. */
  readonly #identities: (Identified | undefined)[];
  readonly #services = new Map<string, Map<string, Service>>();
  readonly #findTargets: FindServiceTargets;
  readonly #serviceAnswers = new Map<Service, Map<number, Identified>>();
  #flows = 0;
  #contradictions = 0;
  readonly #apiServerAddresses = new Set<string>();
  readonly #nodeAddresses = new Set<string>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#ledger = new IdentityLedger(cluster);
    this.#names = new WorkloadNames(cluster);
    this.#findTargets = serviceTargetFinder(cluster.pods);
    this.#identities = Array.from(cluster.pods, () => undefined);
    const byStart = [...cluster.pods.entries()]
      .filter(([, { virtual }]) => !virtual)
      .sort(([, a], [, b]) => (a.startMs ?? 0) - (b.startMs ?? 0));
    for (const [position, pod] of byStart) {
      const pods = this.#pods.get(pod.namespace) ?? new Map<string, NamedPod>();
      this.#pods.set(pod.namespace, pods);
      const identity = this.#table.workload(pod.workload, pod.name, pod.node);
      this.#identities[position] = identity;
      pods.set(pod.name, { pod, identity, earlier: pods.get(pod.name) });
    }
    for (const service of cluster.services) {
      const services = this.#services.get(service.namespace) ?? new Map<string, Service>();
      this.#services.set(service.namespace, services);
      services.set(service.name, service);
    }
  }

  get counters(): AttributionCounters {
    return { flows: this.#flows, contradictions: this.#contradictions };
  }

  /** As in `counters`, without an object for each asking. */
  get contradictions(): number {
    return this.#contradictions;
  }

  /** Canonical and sorted. */
  get observed(): ObservedAddresses {
    return { apiServer: [...this.#apiServerAddresses].sort(), nodes: [...this.#nodeAddresses].sort() };
  }

  attribute(flow: Flow): Sighting {
    this.#flows++;
    const server = this.#identifyServer(flow);
    const sender = this.#identify(flow.client, flow.clientPort, flow.timeMs, undefined);
    const hidden = hiddenClient(flow, sender.peer.endpoint, server.peer.endpoint);
    const hider = hidden === undefined ? undefined : this.#byAddress(hidden, flow.clientPort, flow.timeMs, undefined);
    // on its own node a pod's policies are asked before a client is hidden, and its own node passes them anyway
    const isSeen = hider === undefined || isNode(hider.peer.endpoint, server.peer.node);
    const client = isSeen ? sender : hider;
    const clientIp = isSeen ? flow.client.ip : hidden;
    return {
      timeMs: flow.timeMs,
      endMs: flow.endMs,
      clientPort: flow.clientPort,
      protocol: flow.protocol,
      directed: flow.directed,
      verdict: flow.verdict,
      answered: flow.answered,
      connections: flow.connections,
      bytes: flow.bytes,
      source: flow.source,
      client: client.peer,
      server: server.peer,
      port: server.port ?? flow.port,
      clientIp,
      serverDnsNames: flow.server.dnsNames,
    };
  }

  #identifyServer({ server, port, timeMs, protocol, addressed, serverNode }: Flow): Identified {
    const served = policyProtocolOf(protocol);
    const named = this.#identify(server, port, timeMs, served);
    const { endpoint, node } = named.peer;
    if (endpoint.kind === 'workload' && server.pod !== undefined && serverNode !== undefined && serverNode !== node) {
      const { peer } = this.#table.workload(endpoint.workload, server.pod, serverNode);
      return { peer, port: named.port };
    }
    if (addressed === undefined || endpoint.kind !== 'unknown' || endpoint.reason !== 'unnamed') return named;
    return this.#byAddress(addressed.ip, addressed.port, timeMs, served);
  }

  /** `served` is the protocol of the port when this side is the server: only then a Service stands for its backend. */
  #identify(peer: FlowPeer, port: number, timeMs: number, served: PolicyProtocol | undefined): Identified {
    const { namespace, ip } = peer;
    if (namespace !== undefined) {
      if (peer.pod !== undefined) {
        const named = this.#pods.get(namespace)?.get(peer.pod);
        if (named !== undefined) return this.#byPod(named, ip, port, timeMs);
      }
      const workload = this.#byNames(namespace, peer);
      if (workload !== undefined && workload !== 'ambiguous') return this.#byWorkload(workload, peer);
      if (peer.pod !== undefined || peer.podPrefix !== undefined || peer.workload !== undefined) {
        const reason = workload === 'ambiguous' ? 'ambiguous' : 'not-in-inventory';
        return this.#table.unknown(reason, `${namespace}/${peer.pod ?? peer.podPrefix ?? peer.workload?.name}`);
      }
    }
    if (peer.reserved !== undefined || peer.node !== undefined) {
      const reserved = this.#byReserved(peer, port, timeMs, served);
      if (reserved !== undefined) return reserved;
    }
    if (peer.service !== undefined) return this.#byServiceName(peer.service, port, served);
    return ip === undefined ? this.#table.unknown('unnamed', '') : this.#byAddress(ip, port, timeMs, served);
  }

  #byPod(last: NamedPod, ip: string | undefined, port: number, timeMs: number): Identified {
    let named = last;
    while (named.earlier !== undefined && timeMs < (named.pod.startMs ?? 0)) named = named.earlier;
    const { pod } = named;
    if (pod.hostNetwork) return this.#hostOf(pod, port);
    if (ip !== undefined && !pod.ips.includes(ip) && this.#contradicts(pod, ip, port, timeMs)) this.#contradictions++;
    // Before it started, another pod had its name, and nobody knows where.
    return timeMs < (pod.startMs ?? 0) ? this.#table.workload(pod.workload, pod.name) : named.identity;
  }

  /** A hostNetwork pod acts with its node's address; the API server itself is often one. */
  #hostOf(pod: Pod, port: number): Identified {
    const { apiServer } = this.#cluster;
    if (port === apiServer.port && pod.ips.some((ip) => apiServer.ips.includes(ip))) return this.#table.apiServer;
    return this.#table.node(pod.node ?? '');
  }

  #contradicts(pod: Pod, ip: string, port: number, timeMs: number): boolean {
    if (pod.ips.length > 0) return !pod.ips.includes(canonicalIp(ip) ?? ip);
    const owner = this.#ledger.owner(ip, port, timeMs);
    return owner?.kind === 'pod' && owner.pod !== pod;
  }

  #byNames(namespace: string, { workload, podPrefix, labels }: FlowPeer): NameMatch {
    let found: NameMatch;
    if (workload !== undefined) found = this.#names.named(namespace, workload.kind, workload.name);
    if (podPrefix !== undefined && (found === undefined || found === 'ambiguous')) {
      found = this.#names.beginning(namespace, podPrefix) ?? found;
    }
    if (labels !== undefined && (found === undefined || found === 'ambiguous')) {
      found = this.#names.labelled(namespace, labels) ?? found;
    }
    return found;
  }

  #byWorkload(key: WorkloadKey, { pod, node }: FlowPeer): Identified {
    if (this.#cluster.workloads.get(key)?.hostNetwork) return this.#table.node(node ?? '');
    return this.#table.workload(key, pod);
  }

  /** Undefined: what the source says about this side does not tell who it is. */
  #byReserved(
    { reserved, node, ip }: FlowPeer,
    port: number,
    timeMs: number,
    served: PolicyProtocol | undefined,
  ): Identified | undefined {
    const owner = ip === undefined ? undefined : this.#ledger.owner(ip, port, timeMs);
    switch (reserved) {
      case 'kube-apiserver':
        note(this.#apiServerAddresses, ip);
        return this.#table.apiServer;
      case 'world':
        return this.#outside(ip, owner, port, served);
      case 'unmanaged':
        return undefined;
      case 'host':
      case 'remote-node':
      case 'health':
      case 'ingress':
      case undefined:
        if (owner?.kind === 'api-server') return this.#table.apiServer;
        if (owner?.kind !== 'pod') note(this.#nodeAddresses, ip);
        return this.#table.node(node ?? (owner?.kind === 'node' ? owner.node.name : ''));
    }
  }

  /** The source takes this side for outside: believed unless the inventory knows the address as the cluster's own. */
  #outside(
    ip: string | undefined,
    owner: Owner | undefined,
    port: number,
    served: PolicyProtocol | undefined,
  ): Identified {
    if (ip === undefined || owner === undefined) return this.#table.external('world');
    if (owner.kind === 'pod') this.#contradictions++;
    if (owner.kind !== 'unknown' || owner.reason !== 'no-owner') return this.#byOwner(owner, port, served);
    const address = parseIp(owner.address);
    const inside = address === undefined || this.#ledger.isInside(address);
    return inside ? this.#byOwner(owner, port, served) : this.#table.external(owner.address);
  }

  #byAddress(ip: string, port: number, timeMs: number, served: PolicyProtocol | undefined): Identified {
    const owner = this.#ledger.owner(ip, port, timeMs);
    return owner === undefined ? this.#table.unknown('unnamed', '') : this.#byOwner(owner, port, served);
  }

  #byOwner(owner: Owner, port: number, served: PolicyProtocol | undefined): Identified {
    switch (owner.kind) {
      case 'pod':
        return this.#identities[owner.position] ?? this.#table.workload(owner.pod.workload, undefined);
      case 'node':
        return this.#table.node(owner.node.name);
      case 'api-server':
        return this.#table.apiServer;
      case 'service':
        return this.#byService(owner.service, port, served);
      case 'external':
        return this.#table.external(owner.address);
      case 'unknown':
        return this.#table.unknown(owner.reason, owner.address);
    }
  }

  #byServiceName(
    { namespace, name }: { readonly namespace: string; readonly name: string },
    port: number,
    served: PolicyProtocol | undefined,
  ): Identified {
    const service = this.#services.get(namespace)?.get(name);
    if (service !== undefined) return this.#byService(service, port, served);
    if (namespace === 'default' && name === 'kubernetes') return this.#apiServerBehindService();
    return this.#table.unknown('service-without-backend', `${namespace}/${name}`);
  }

  #byService(service: Service, port: number, served: PolicyProtocol | undefined): Identified {
    const { namespace, name } = service;
    if (namespace === 'default' && name === 'kubernetes') return this.#apiServerBehindService();
    if (served === undefined) return this.#table.service(namespace, name);
    const answers = this.#serviceAnswers.get(service) ?? new Map<number, Identified>();
    this.#serviceAnswers.set(service, answers);
    const key = port * 4 + protocolDigit[served];
    const known = answers.get(key);
    if (known !== undefined) return known;
    const answer = this.#behind(service, port, served);
    answers.set(key, answer);
    return answer;
  }

  /** The one workload (or outside address) behind a Service's port with its own port, else the Service as such. */
  #behind(service: Service, port: number, protocol: PolicyProtocol): Identified {
    const servicePort = service.ports.find((one) => one.port === port && one.protocol === protocol);
    const targets = servicePort === undefined ? [] : this.#findTargets(service, servicePort);
    const [target] = targets;
    if (target === undefined || targets.length > 1) return this.#table.service(service.namespace, service.name);
    if (target.kind === 'workload') {
      const hostNetwork = this.#cluster.workloads.get(target.workload)?.hostNetwork;
      const { peer } = hostNetwork ? this.#table.node('') : this.#table.workload(target.workload, undefined);
      return { peer, port: target.port };
    }
    const owner = this.#ledger.owner(target.address, target.port, Number.MAX_SAFE_INTEGER);
    if (owner === undefined || owner.kind === 'service' || owner.kind === 'unknown') {
      return this.#table.service(service.namespace, service.name);
    }
    return { peer: this.#byOwner(owner, target.port, undefined).peer, port: target.port };
  }

  #apiServerBehindService(): Identified {
    const { port } = this.#cluster.apiServer;
    return { peer: this.#table.apiServer.peer, port };
  }
}

/**
 * The address that the server sees in place of an outside client's own: a node's, mostly. Pods keep their identity, as their
 * own policies see them before any translation; what leaves the cluster is nobody's policy there.
 */
function hiddenClient({ translatedClient }: Flow, client: Endpoint, server: Endpoint): string | undefined {
  return client.kind === 'external' && server.kind === 'workload' ? translatedClient : undefined;
}

function isNode(endpoint: Endpoint, node: string | undefined): boolean {
  return endpoint.kind === 'node' && endpoint.name === node;
}

const protocolDigit: Readonly<Record<PolicyProtocol, number>> = { TCP: 0, UDP: 1, SCTP: 2 };

function note(addresses: Set<string>, ip: string | undefined): void {
  const canonical = ip === undefined || addresses.has(ip) ? undefined : canonicalIp(ip);
  if (canonical !== undefined && addresses.size < mostObserved) addresses.add(canonical);
}
