import type { Flow, FlowPeer } from '../../model/flow.ts';
import { fnv1a } from '../../model/object-name.ts';

/**
 * The shard of a flow, by what the flow itself says of its destination: whoever divides the same flow, at whatever time,
 * comes to the same one, and so do the reports of one connection from both of its nodes. Where nobody knows who opened a
 * connection, either side may be the server.
 */
export function shardOf({ client, server, directed }: Flow, count: number): number {
  const name = nameOf(server);
  if (directed) return fnv1a(name) % count;
  const other = nameOf(client);
  return fnv1a(name < other ? name : other) % count;
}

function nameOf({ ip, namespace, pod, podPrefix, workload, service, node, dnsNames }: FlowPeer): string {
  return ip ?? `${namespace} ${pod ?? podPrefix ?? workload?.name ?? service?.name ?? node ?? dnsNames?.[0]}`;
}
