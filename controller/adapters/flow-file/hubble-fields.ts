import { isObject } from './json-record.ts';
import { textField } from './record-fields.ts';
import { shown, UnusableRecord } from './unusable-record.ts';

/** The node's name without the cluster's that may stand before it; empty when absent. */
export function hubbleNode(value: unknown): string {
  return withoutCluster(textField(value, 'node_name') ?? '');
}

/** The node's name without the cluster's that may stand before it. */
export function withoutCluster(name: string): string {
  return name.slice(name.indexOf('/') + 1);
}

/** Policy verdicts are events of type 5. */
export function isPolicyVerdictEvent(eventType: unknown): boolean {
  return isObject(eventType) && eventType['type'] === 5;
}

/** Where a trace was taken: a packet that comes to its pod is seen on that pod's node. */
export function isDeliveredAt(observationPoint: unknown): boolean {
  return observationPoint === 'TO_ENDPOINT' || observationPoint === 101;
}

/** Types of ICMPv6 that are no traffic between workloads (RFC 4861). */
export function isNeighbourDiscoveryType(type: number): boolean {
  return type >= 133 && type <= 137;
}

/**
 * Three states: undefined when it is not known. Agents that are not Cilium's (Retina) add extensions to their flows, and
 * write false there for replies too.
 */
export function isReplyOf(value: unknown, hasExtensions: boolean): boolean | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'boolean') return hasExtensions && !value ? undefined : value;
  throw new UnusableRecord(`is_reply: expected true or false, got ${shown(value)}`);
}
