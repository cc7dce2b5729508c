import type { Labels } from '../../model/label-selector.ts';

/** Annotations in which a network plugin notes the addresses of the host itself that it uses. */
export const hostAnnotations = ['projectcalico.org/IPv4Address', 'projectcalico.org/IPv6Address'] as const;

/** Annotations in which network plugins note the addresses that a node has inside of the pod network. */
export const podNetworkAnnotations = [
  'projectcalico.org/IPv4IPIPTunnelAddr',
  'projectcalico.org/IPv4VXLANTunnelAddr',
  'projectcalico.org/IPv6VXLANTunnelAddr',
  'projectcalico.org/IPv4WireguardInterfaceAddr',
  'network.cilium.io/ipv4-cilium-host',
  'network.cilium.io/ipv6-cilium-host',
  'network.cilium.io/ipv4-health-ip',
  'network.cilium.io/ipv6-health-ip',
] as const;

/** Why nothing may be written: on the cluster's profile for the whole cluster, on a Namespace for that one. */
export const stopAnnotation = 'nanoseg.io/stop';

/** What pods say about who scrapes them. */
const scrapeAnnotations = ['prometheus.io/scrape', 'prometheus.io/port'] as const;

const read: ReadonlySet<string> = new Set([
  ...hostAnnotations,
  ...podNetworkAnnotations,
  ...scrapeAnnotations,
  stopAnnotation,
]);

/** Those that nanoseg reads, in their order: most of what stands in annotations is large, and changes all the time. */
export function readAnnotations(annotations: Labels): Labels {
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => read.has(key)));
}
