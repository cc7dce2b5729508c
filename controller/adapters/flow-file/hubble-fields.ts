import { isObject } from './json-record.ts';
import { textField } from './record-fields.ts';
import { shown, UnusableRecord } from './unusable-record.ts';

/** The node's name without the cluster's that may stand before it; empty when absent. */
export function hubbleNode(value: unknown): string {
  const name = textField(value, 'node_name');
  return name === undefined ? '' : name.slice(name.indexOf('/') + 1);
}

/** Policy verdicts are events of type 5. */
export function isPolicyVerdictEvent(eventType: unknown): boolean {
  return isObject(eventType) && eventType['type'] === 5;
}

/** Where a trace was taken: a packet that comes to its pod is seen on that pod's node. */
export function isDeliveredAt(observationPoint: unknown): boolean {
  return observationPoint === 'TO_ENDPOINT' || observationPoint === 101;
}

/** Three states: undefined when Hubble does not know. */
export function isReplyOf(value: unknown): boolean | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'boolean') return value;
  throw new UnusableRecord(`is_reply: expected true or false, got ${shown(value)}`);
}
