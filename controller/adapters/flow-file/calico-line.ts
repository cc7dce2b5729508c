import type { FlowVerdict } from '../../model/flow.ts';
import { parseProtocol } from '../../model/protocol.ts';
import {
  type CalicoEndpoint,
  type CalicoEndpointType,
  type CalicoReporter,
  type CalicoReport,
  CalicoReports,
} from './calico-report.ts';
import type { FlowLimits } from './flow-limits.ts';
import { type JsonObject, parseJsonObject } from './json-record.ts';
import { type LineReader, outcomeOf, skipped } from './line-outcome.ts';
import {
  countField,
  dnsNamesField,
  ipField,
  objectField,
  portField,
  secondsField,
  textField,
  textsField,
} from './record-fields.ts';
import { shown, UnusableRecord } from './unusable-record.ts';

/** Reads the flow log file of Calico Enterprise and Calico Cloud: one JSON object per pair and interval. */
export function calicoLines(limits: FlowLimits): LineReader {
  const reports = new CalicoReports();
  return (line) =>
    outcomeOf(() => {
      const report = calicoReport(parseJsonObject(line, limits), limits);
      return report === undefined ? skipped : reports.outcome(report);
    });
}

/** Undefined for reports of forwarding hosts alone: they repeat what both ends report, with ports before translation. */
function calicoReport(record: JsonObject, limits: FlowLimits): CalicoReport | undefined {
  const verdict = verdictOf(record['action']);
  const reporter = reporterOf(record['reporter'], verdict);
  if (reporter === undefined) return undefined;
  // The maker of the log writes snake case; its test data and some forwarders write these two in camel case.
  const timeMs = secondsField(record['start_time'] ?? record['startTime'], 'start_time');
  const endMs = secondsField(record['end_time'] ?? record['endTime'], 'end_time');
  if (endMs < timeMs) throw new UnusableRecord('end_time lies before start_time');
  const packetsIn = countField(record['packets_in'], 'packets_in');
  const packetsOut = countField(record['packets_out'], 'packets_out');
  const counted = record['packets_in'] !== undefined || record['packets_out'] !== undefined;
  const atDestination = reporter === 'destination';
  return {
    source: 'calico',
    timeMs,
    endMs,
    reporter,
    verdict,
    from: endpointOf(record, 'source', limits),
    to: endpointOf(record, 'dest', limits),
    fromPort: portField(record['source_port'], 'source_port'),
    toPort: portField(record['dest_port'], 'dest_port'),
    protocol: protocolOf(record['proto']),
    service: serviceOf(record),
    dnsNames: dnsNamesField(record['dest_domains'], 'dest_domains', limits.dnsNamesPerEndpoint),
    connections: countField(record['num_flows'], 'num_flows'),
    bytes: countField(record['bytes_in'], 'bytes_in') + countField(record['bytes_out'], 'bytes_out'),
    packets: counted
      ? { forward: atDestination ? packetsIn : packetsOut, back: atDestination ? packetsOut : packetsIn }
      : undefined,
    node: textField(record['host'], 'host') ?? '',
  };
}

function verdictOf(action: unknown): FlowVerdict {
  if (action === 'allow') return 'allowed';
  if (action === 'deny') return 'denied';
  throw new UnusableRecord(`action: expected "allow" or "deny", got ${shown(action)}`);
}

function reporterOf(value: unknown, verdict: FlowVerdict): CalicoReporter | undefined {
  const parts = typeof value === 'string' ? value.split(',').map((part) => part.trim()) : [];
  if (parts.includes('src')) return 'source';
  if (parts.includes('dst')) return 'destination';
  if (parts.includes('fwd')) return verdict === 'denied' ? 'destination' : undefined;
  throw new UnusableRecord(`reporter: expected "src", "dst" or "fwd", got ${shown(value)}`);
}

const endpointTypes: ReadonlyMap<unknown, CalicoEndpointType> = new Map([
  ['wep', 'workload'],
  ['hep', 'host'],
  ['ns', 'network-set'],
  ['net', 'network'],
]);

function endpointOf(record: JsonObject, side: 'source' | 'dest', limits: FlowLimits): CalicoEndpoint {
  const typeField = record[`${side}_type`];
  const type = endpointTypes.get(typeField);
  if (type === undefined) {
    throw new UnusableRecord(`${side}_type: expected "wep", "hep", "ns" or "net", got ${shown(typeField)}`);
  }
  const labels = objectField(record[`${side}_labels`], `${side}_labels`)?.['labels'];
  return {
    type,
    ip: ipField(given(record[`${side}_ip`]), `${side}_ip`),
    namespace: textField(given(record[`${side}_namespace`]), `${side}_namespace`),
    name:
      textField(given(record[`${side}_name`]), `${side}_name`) ??
      textField(given(record[`${side}_name_aggr`]), `${side}_name_aggr`),
    labels: textsField(labels, `${side}_labels.labels`, limits.labelsPerEndpoint, 'labels per endpoint'),
  };
}

function serviceOf(record: JsonObject): CalicoReport['service'] {
  const namespace = textField(given(record['dest_service_namespace']), 'dest_service_namespace');
  const name = textField(given(record['dest_service_name']), 'dest_service_name');
  return namespace === undefined || name === undefined ? undefined : { namespace, name };
}

/** Calico writes `-` for text that it does not have. */
function given(value: unknown): unknown {
  return value === '-' ? undefined : value;
}

function protocolOf(value: unknown): number {
  const protocol = typeof value === 'string' ? parseProtocol(value) : value;
  if (typeof protocol === 'number' && Number.isInteger(protocol) && protocol >= 0 && protocol <= 255) return protocol;
  throw new UnusableRecord(`proto: expected a protocol, got ${shown(value)}`);
}
