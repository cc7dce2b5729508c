import { type CidrSet, cidrSetOf, isEmptyAddresses, subtractAddresses, unionAddresses } from './cidr.ts';
import type { Labels } from './label-selector.ts';
import type { NetworkPolicy } from './network-policy.ts';
import type { PolicyProtocol } from './protocol.ts';
import type { ContainerPort, Workload, WorkloadKey } from './workload.ts';

/** What a cluster looks like, as far as who-talks-to-whom depends on it. A value: adapters build it, nobody edits it. */
export interface Cluster {
  /** By name. Namespaces that objects merely mention are here too, without labels beyond their name. */
  readonly namespaces: ReadonlyMap<string, Namespace>;
  readonly workloads: ReadonlyMap<WorkloadKey, Workload>;
  /** All pods, finished ones included. A workload without any pod has exactly one virtual pod made of its template. */
  readonly pods: readonly Pod[];
  readonly nodes: readonly Node[];
  readonly services: readonly Service[];
  readonly policies: readonly NetworkPolicy[];
  /** Workloads that the API server calls as admission webhooks, with the backend port. */
  readonly webhooks: readonly WebhookBackend[];
  /** How workloads can be reached from outside the cluster. */
  readonly exposures: readonly Exposure[];
  readonly apiServer: ApiServer;
  readonly cidrs: ClusterCidrs;
  /** Whether the API server stores port ranges (endPort) of policies, as those from 1.22 on do; undefined: nobody says. */
  readonly portRanges?: boolean | undefined;
}

/** The parts of a cluster that its policies do not touch. */
const lasting = [
  'namespaces',
  'workloads',
  'pods',
  'nodes',
  'services',
  'webhooks',
  'exposures',
  'apiServer',
  'cidrs',
  'portRanges',
] as const satisfies readonly (keyof Cluster)[];

/** Whether two values of one cluster have all parts in common, the very same values, but for the policies. */
export function differsInPoliciesAlone(former: Cluster, cluster: Cluster): boolean {
  return lasting.every((part) => former[part] === cluster[part]);
}

export interface Namespace {
  readonly name: string;
  /** Includes `kubernetes.io/metadata.name` where the cluster sets it: always, but on servers before 1.21. */
  readonly labels: Labels;
}

export type PodPhase = 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';

export interface Pod {
  readonly namespace: string;
  readonly name: string;
  readonly workload: WorkloadKey;
  /** All labels on the object, generated ones included. */
  readonly labels: Labels;
  readonly containerPorts: readonly ContainerPort[];
  /** `status.podIPs` in canonical text; for hostNetwork pods the node's addresses. */
  readonly ips: readonly string[];
  readonly node: string | undefined;
  readonly hostNetwork: boolean;
  /** One that was deleted stays for a while, as one that has ended. */
  readonly phase: PodPhase;
  /** Its Ready condition; undefined where nobody says. */
  readonly ready?: boolean | undefined;
  /** It was deleted and is still shutting down. */
  readonly terminating?: boolean | undefined;
  /** When it got its addresses; undefined: not known, taken as always. */
  readonly startMs: number | undefined;
  /** When its addresses were free again (finished, or deleted and gone); undefined: not yet. */
  readonly endMs: number | undefined;
  /** Made from a workload's template because the inventory has no pod of it. */
  readonly virtual: boolean;
}

export interface Node {
  readonly name: string;
  readonly labels: Labels;
  /** All that it sends from, canonical: its host addresses, and those of its bridges and tunnels in the pod network. */
  readonly ips: readonly string[];
  /** Those of them on which servers on its own network answer: InternalIP, ExternalIP and the like. */
  readonly hostIps: readonly string[];
  readonly podCidrs: readonly string[];
  /** When the cluster first knew of it, in ms since 1970; undefined where nobody says. */
  readonly createdMs?: number | undefined;
}

export type ServiceType = 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';

export interface Service {
  readonly namespace: string;
  readonly name: string;
  readonly type: ServiceType;
  /** clusterIPs, externalIPs and load balancer addresses, canonical; none for headless Services. */
  readonly ips: readonly string[];
  /** Undefined for Services without a selector. */
  readonly selector: Labels | undefined;
  readonly ports: readonly ServicePort[];
  /** From EndpointSlices or Endpoints; empty when the inventory has none for it. */
  readonly backends: readonly ServiceBackend[];
  readonly externalTrafficPolicy: 'Cluster' | 'Local';
}

export interface ServicePort {
  readonly name: string | undefined;
  readonly protocol: PolicyProtocol;
  readonly port: number;
  /** A container port's number or name; the same as `port` when the manifest does not say. */
  readonly targetPort: number | string;
  readonly nodePort: number | undefined;
}

export interface ServiceBackend {
  readonly ip: string;
  readonly port: number;
  readonly protocol: PolicyProtocol;
  readonly portName: string | undefined;
  /** The pod that the slice names. */
  readonly pod: { readonly namespace: string; readonly name: string } | undefined;
}

export interface WebhookBackend {
  readonly workload: WorkloadKey;
  readonly protocol: PolicyProtocol;
  readonly port: number;
  /** The webhook configuration that names it, for the reviewer. */
  readonly configuration: string;
}

export interface Exposure {
  readonly workload: WorkloadKey;
  readonly protocol: PolicyProtocol;
  /** The pod's port. */
  readonly port: number;
  readonly through: 'LoadBalancer' | 'NodePort' | 'Ingress' | 'HostPort';
  /** The object that exposes it, `namespace/Kind/name`. */
  readonly by: string;
  /** True when clients arrive with a node's address instead of their own (externalTrafficPolicy Cluster). */
  readonly hidesClients: boolean;
}

/** Where the API server really answers: the endpoints of default/kubernetes, not its Service address. */
export interface ApiServer {
  readonly ips: readonly string[];
  readonly port: number | undefined;
}

/** Address ranges of the cluster itself; what is inside of them is never an external address. */
export interface ClusterCidrs {
  readonly pods: CidrSet;
  readonly services: CidrSet;
  readonly nodes: CidrSet;
  /**
   * Whether pods and services above are all there is. When false, a private address without an owner may still be
   * inside the cluster, and is `unknown` instead of external.
   */
  readonly complete: boolean;
}

/**
 * Addresses on which servers on the network of a node answer. Nodes send from addresses inside of the pod ranges too, but
 * in those ranges any other address is, or will be, a pod's.
 */
export function hostAddresses({ nodes, cidrs }: Pick<Cluster, 'nodes' | 'cidrs'>): CidrSet {
  const inPodNetwork = nodes.flatMap(({ ips, hostIps }) => ips.filter((ip) => !hostIps.includes(ip)));
  const outside = subtractAddresses(subtractAddresses(cidrs.nodes, cidrs.pods), cidrSetOf(...inPodNetwork));
  return unionAddresses(outside, cidrSetOf(...nodes.flatMap(({ hostIps }) => hostIps)));
}

/**
 * Where calls of the API server come from, sorted: its own addresses, and every other of the node that has one of them, as
 * another address family and the network overlay choose others.
 */
export function apiServerCallers({ nodes, apiServer }: Pick<Cluster, 'nodes' | 'apiServer'>): string[] {
  const hosts = nodes.filter(({ ips }) => ips.some((ip) => apiServer.ips.includes(ip)));
  return [...new Set([...apiServer.ips, ...hosts.flatMap(({ ips }) => ips)])].sort();
}

/** The cluster with ranges added that its inventory does not tell; pod ranges that a person gives are all there are. */
export function withCidrs(cluster: Cluster, added: Pick<ClusterCidrs, 'pods' | 'services' | 'nodes'>): Cluster {
  const pods = unionAddresses(cluster.cidrs.pods, added.pods);
  const services = unionAddresses(cluster.cidrs.services, added.services);
  const nodes = unionAddresses(cluster.cidrs.nodes, added.nodes);
  const told = !isEmptyAddresses(added.pods) && !isEmptyAddresses(services);
  return { ...cluster, cidrs: { pods, services, nodes, complete: cluster.cidrs.complete || told } };
}

/**
 * The cluster with the addresses of its API server and nodes as flow sources named them, each only where the inventory
 * tells none: manifests alone know neither.
 */
export function withObserved(
  cluster: Cluster,
  { apiServer, nodes }: { readonly apiServer: readonly string[]; readonly nodes: readonly string[] },
): Cluster {
  const nodesKnown = cluster.nodes.length > 0 || !isEmptyAddresses(cluster.cidrs.nodes);
  return {
    ...cluster,
    apiServer: cluster.apiServer.ips.length > 0 ? cluster.apiServer : { ips: apiServer, port: undefined },
    cidrs: nodesKnown ? cluster.cidrs : { ...cluster.cidrs, nodes: cidrSetOf(...nodes) },
  };
}
