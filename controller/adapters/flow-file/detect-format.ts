import type { FlowFileFormat } from './flow-file-format.ts';
import { eventStreamData } from './goldmane-line.ts';
import { isObject, type JsonObject } from './json-record.ts';
import { nanosegKey } from './nanoseg-line.ts';

/**
 * The format of a flow file by the first of these records that is unmistakable for one; undefined when none is. Records
 * are whole lines without the prefix of a container log.
 */
export function detectFormat(records: Iterable<string>): FlowFileFormat | undefined {
  for (const record of records) {
    const format = formatOf(record);
    if (format !== undefined) return format;
  }
  return undefined;
}

function formatOf(record: string): FlowFileFormat | undefined {
  if (/\ssrc=\S+ dst=.*\ssrc=\S+ dst=/.test(record)) return 'conntrack';
  const value = parsed(eventStreamData(record) ?? '');
  const first: unknown = Array.isArray(value) ? value[0] : value;
  if (!isObject(first)) return undefined;
  if (typeof first[nanosegKey] === 'string') return 'nanoseg';
  if (isGoldmane(first)) return 'goldmane';
  // Only Goldmane's API answers with lists.
  if (Array.isArray(value)) return undefined;
  if (isHubble(first)) return 'hubble';
  if (isCalico(first)) return 'calico';
  return isGadget(first) ? 'inspektor-gadget' : undefined;
}

function parsed(record: string): unknown {
  try {
    return JSON.parse(record);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isGoldmane(record: JsonObject): boolean {
  const flow = isObject(record['flow']) ? record['flow'] : record;
  if (isObject(flow['Key']) || isObject(flow['key'])) return true;
  const { reporter, action } = record;
  return (reporter === 'Src' || reporter === 'Dst') && (action === 'Allow' || action === 'Deny' || action === 'Pass');
}

const hubbleEvents = [
  'flow',
  'lost_events',
  'lostEvents',
  'node_status',
  'nodeStatus',
  'agent_event',
  'agentEvent',
  'debug_event',
  'debugEvent',
];

function isHubble(record: JsonObject): boolean {
  if (hubbleEvents.some((key) => isObject(record[key]))) return true;
  return record['verdict'] !== undefined && (isObject(record['IP']) || isObject(record['l4']));
}

const calicoTypes: ReadonlySet<unknown> = new Set(['wep', 'hep', 'ns', 'net']);

function isCalico(record: JsonObject): boolean {
  return calicoTypes.has(record['source_type']) && calicoTypes.has(record['dest_type']);
}

function isGadget(record: JsonObject): boolean {
  if (typeof record['pktType'] === 'string') return isObject(record['k8s']);
  const { src, dst } = record;
  return isObject(src) && isObject(dst) && 'addr' in src && 'addr' in dst && 'type' in record;
}
