import { cidrSetOf, formatAddresses, unionAddresses } from '../model/cidr.ts';
import { apiServerCallers, type Cluster, hostAddresses, type WebhookBackend } from '../model/cluster.ts';
import type { PolicyProtocol } from '../model/protocol.ts';
import type { WorkloadKey } from '../model/workload.ts';
import { clusterDnsLabels, nodeLocalDnsLabel, privateRanges } from './guardrails.ts';

/** The parts of a cluster that every workload may meet: DNS, API server, nodes, webhooks, the way in from outside. */
export interface Infrastructure {
  /** The workloads that are the cluster's DNS, sorted. */
  readonly dnsWorkloads: readonly WorkloadKey[];
  readonly hasNodeLocalDns: boolean;
  /** For ingress the addresses from which it calls, for egress those on which it answers; empty when not known. */
  readonly apiServerAddresses: Readonly<Record<'ingress' | 'egress', readonly string[]>>;
  /**
   * Addresses of the nodes as blocks, empty when none is known: for ingress all that they send from, those of their
   * bridges in the pod network included; for egress those on which their own servers answer.
   */
  readonly nodeCidrs: Readonly<Record<'ingress' | 'egress', readonly string[]>>;
  /** What "the world outside" leaves out: the cluster's own ranges, and private ones while those are not all known. */
  readonly insideCidrs: readonly string[];
  /** False for one that was seen and is gone since. */
  isThere(workload: WorkloadKey): boolean;
  onHostNetwork(workload: WorkloadKey): boolean;
  /** Whether a pod of the workload runs, or ran, on that node. */
  runsOn(workload: WorkloadKey, node: string): boolean;
  /** Whether clients from outside may reach that port. */
  isExposed(workload: WorkloadKey, protocol: PolicyProtocol, port: number): boolean;
  /** Whether they then arrive with a node's address instead of their own. */
  hidesClients(workload: WorkloadKey, protocol: PolicyProtocol, port: number): boolean;
  /** Whether the API server speaks with an address of that node. */
  holdsApiServer(node: string): boolean;
  webhooksOf(workload: WorkloadKey): readonly WebhookBackend[];
}

export function infrastructure(cluster: Cluster): Infrastructure {
  const { workloads, pods, nodes, exposures, webhooks, apiServer, cidrs } = cluster;
  const nodesOf = new Map<WorkloadKey, Set<string>>();
  for (const { workload, node, virtual } of pods) {
    if (node === undefined || virtual) continue;
    nodesOf.set(workload, (nodesOf.get(workload) ?? new Set()).add(node));
  }
  const exposed = new Set(exposures.map(({ workload, protocol, port }) => `${workload} ${protocol} ${port}`));
  const hidden = new Set(
    exposures.filter((e) => e.hidesClients).map(({ workload, protocol, port }) => `${workload} ${protocol} ${port}`),
  );
  const apiServerNodes = new Set(
    nodes.filter(({ ips }) => ips.some((ip) => apiServer.ips.includes(ip))).map(({ name }) => name),
  );
  const inside = [cidrs.pods, cidrs.services, cidrs.nodes].reduce(unionAddresses);
  const known = formatAddresses(inside);
  return {
    dnsWorkloads: clusterDnsWorkloads(cluster),
    hasNodeLocalDns: workloads
      .values()
      .some(({ podLabels }) => podLabels[nodeLocalDnsLabel[0]] === nodeLocalDnsLabel[1]),
    apiServerAddresses: { ingress: apiServerCallers(cluster), egress: [...apiServer.ips].sort() },
    nodeCidrs: { ingress: formatAddresses(cidrs.nodes), egress: formatAddresses(hostAddresses(cluster)) },
    insideCidrs: cidrs.complete ? known : formatAddresses(unionAddresses(inside, cidrSetOf(...privateRanges))),
    isThere: (workload) => workloads.has(workload),
    onHostNetwork: (workload) => workloads.get(workload)?.hostNetwork ?? false,
    runsOn: (workload, node) => nodesOf.get(workload)?.has(node) ?? false,
    isExposed: (workload, protocol, port) => exposed.has(`${workload} ${protocol} ${port}`),
    hidesClients: (workload, protocol, port) => hidden.has(`${workload} ${protocol} ${port}`),
    holdsApiServer: (node) => apiServerNodes.has(node),
    webhooksOf: (workload) => webhooks.filter((webhook) => webhook.workload === workload),
  };
}

function clusterDnsWorkloads({ workloads }: Cluster): WorkloadKey[] {
  return [...workloads.values()]
    .filter(({ podLabels, selector, hostNetwork }) => {
      if (hostNetwork) return false;
      const labels = { ...podLabels, ...selector?.matchLabels };
      return clusterDnsLabels.some(([key, values]) => values.includes(labels[key] ?? ''));
    })
    .map(({ key }) => key)
    .sort();
}
