import { type CidrSet, isEmptyAddresses, unionAddresses } from './cidr.ts';
import type { Cluster } from './cluster.ts';

/**
 * The cluster with ranges that a person adds to what its inventory tells. Who names both pod and service ranges says that
 * with them they are complete.
 */
export function withRanges(
  cluster: Cluster,
  added: { readonly pods: CidrSet; readonly services: CidrSet; readonly nodes: CidrSet },
): Cluster {
  const { pods, services, nodes, complete } = cluster.cidrs;
  return {
    ...cluster,
    cidrs: {
      pods: unionAddresses(pods, added.pods),
      services: unionAddresses(services, added.services),
      nodes: unionAddresses(nodes, added.nodes),
      complete: complete || (!isEmptyAddresses(added.pods) && !isEmptyAddresses(added.services)),
    },
  };
}
