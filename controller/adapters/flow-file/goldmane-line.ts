import type { FlowVerdict } from '../../model/flow.ts';
import { parseProtocol } from '../../model/protocol.ts';
import {
  type CalicoEndpoint,
  type CalicoEndpointType,
  type CalicoReport,
  CalicoReports,
  type CalicoReporter,
} from './calico-report.ts';
import type { FlowLimits } from './flow-limits.ts';
import { isObject, type JsonObject, parseJson } from './json-record.ts';
import { type LineOutcome, type LineReader, outcomeOf, skipped } from './line-outcome.ts';
import { countField, objectField, portField, secondsField, textField, textsField, timeField } from './record-fields.ts';
import { shown, UnusableRecord } from './unusable-record.ts';

/**
 * Reads Goldmane's FlowResult as protojson (either spelling of keys) and the flows of Whisker's HTTP API: one object a
 * line, its event stream (`data: {…}`), or a list of flows in one line.
 */
export function goldmaneLines(limits: FlowLimits): LineReader {
  const reports = new CalicoReports();
  const read = (value: unknown): LineOutcome => {
    if (!isObject(value)) throw new UnusableRecord(`expected a JSON object, got ${shown(value)}`);
    const report = goldmaneReport(value, limits);
    return report === undefined ? skipped : reports.outcome(report);
  };
  return (line) =>
    outcomeOf(() => {
      const event = eventStreamData(line);
      if (event === undefined) return skipped;
      const value = parseJson(event, limits);
      if (!Array.isArray(value)) return read(value);
      return { kind: 'several', outcomes: value.map((item: unknown) => outcomeOf(() => read(item))) };
    });
}

/** The payload of an event stream's line; the line itself when it is none; undefined for other fields of an event. */
export function eventStreamData(line: string): string | undefined {
  if (line.startsWith('data:')) return line.slice('data:'.length);
  return /^(?::|event:|id:|retry:)/.test(line) ? undefined : line;
}

/**
 * One FlowResult as its fields in protojson, the key's among the others or nested; undefined for a flow without a final
 * verdict. Throws UnusableRecord.
 */
export function goldmaneReport(value: JsonObject, limits: FlowLimits): CalicoReport | undefined {
  const flow = isObject(value['flow']) ? value['flow'] : value;
  const nested = flow['Key'] ?? flow['key'];
  const fields = isObject(nested) ? { ...flow, ...nested } : flow;
  const field = (name: string): unknown => fields[name] ?? fields[camelCased(name)];

  const verdict = verdictOf(field('action'));
  if (verdict === undefined) return undefined;
  const reporter = reporterOf(field('reporter'));
  const timeMs = boundOf(field('start_time'), 'start_time');
  const endMs = boundOf(field('end_time'), 'end_time');
  if (endMs < timeMs) throw new UnusableRecord('end_time lies before start_time');
  const packetsIn = countField(field('packets_in'), 'packets_in');
  const packetsOut = countField(field('packets_out'), 'packets_out');
  const atDestination = reporter === 'destination';
  const forward = atDestination ? packetsIn : packetsOut;
  const back = atDestination ? packetsOut : packetsIn;
  // what the source's side let go may still have been dropped at the other
  const passed = verdict === 'allowed' && (atDestination || back > 0);
  const connections =
    countField(field('num_connections_started'), 'num_connections_started') ||
    countField(field('num_connections_live'), 'num_connections_live');
  return {
    source: 'goldmane',
    timeMs,
    endMs,
    reporter,
    verdict: passed && isDeniedWhenStaged(field('policies')) ? 'audited' : verdict,
    from: endpointOf(field, 'source', limits),
    to: endpointOf(field, 'dest', limits),
    fromPort: 0,
    toPort: portField(field('dest_port'), 'dest_port'),
    protocol: protocolOf(field('proto') ?? field('protocol')),
    service: serviceOf(field),
    dnsNames: undefined,
    connections,
    bytes: totalBytes(countField(field('bytes_in'), 'bytes_in') + countField(field('bytes_out'), 'bytes_out')),
    // protojson leaves out a counter of 0, so counters are there as soon as any one of them is.
    packets: ['packets_in', 'packets_out', 'bytes_in', 'bytes_out'].some((name) => field(name) !== undefined)
      ? { forward, back }
      : undefined,
    node: '',
  };
}

type Field = (name: string) => unknown;

function camelCased(name: string): string {
  return name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function verdictOf(action: unknown): FlowVerdict | undefined {
  switch (action) {
    case 'Allow':
    case 1:
      return 'allowed';
    case 'Deny':
    case 2:
      return 'denied';
    case 'Pass':
    case 3:
    case 'ActionUnspecified':
    case 0:
      return undefined;
    default:
      throw new UnusableRecord(`action: expected "Allow" or "Deny", got ${shown(action)}`);
  }
}

/**
 * Whether the pending policies of a trace, those in force as if the staged ones were too, would have dropped it. A trace
 * ends at its first final verdict, so one denial in it is that verdict.
 */
function isDeniedWhenStaged(trace: unknown): boolean {
  const policies = objectField(trace, 'policies');
  const pending = policies?.['pending_policies'] ?? policies?.['pendingPolicies'] ?? policies?.['pending'];
  if (pending === undefined || pending === null) return false;
  if (!Array.isArray(pending)) throw new UnusableRecord(`pending policies: expected a list, got ${shown(pending)}`);
  return pending.some((hit: unknown) => isObject(hit) && verdictOf(hit['action']) === 'denied');
}

function totalBytes(bytes: number): number {
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new UnusableRecord(`bytes: too large: ${shown(bytes)}`);
}

function reporterOf(value: unknown): CalicoReporter {
  if (value === 'Src' || value === 1) return 'source';
  if (value === 'Dst' || value === 2) return 'destination';
  throw new UnusableRecord(`reporter: expected "Src" or "Dst", got ${shown(value)}`);
}

/** Goldmane counts seconds, Whisker writes RFC 3339. */
function boundOf(value: unknown, name: string): number {
  const isText = typeof value === 'string' && value.includes('-');
  return (isText ? timeField(value, name) : undefined) ?? secondsField(value, name);
}

const endpointTypes: ReadonlyMap<unknown, CalicoEndpointType> = new Map<unknown, CalicoEndpointType>([
  ['WorkloadEndpoint', 'workload'],
  [1, 'workload'],
  ['HostEndpoint', 'host'],
  [2, 'host'],
  ['NetworkSet', 'network-set'],
  [3, 'network-set'],
  ['Network', 'network'],
  [4, 'network'],
]);

/** Whisker's words for what Goldmane calls `pub` and `pvt`. */
const networkNames: ReadonlyMap<string, string> = new Map([
  ['PUBLIC NETWORK', 'pub'],
  ['PRIVATE NETWORK', 'pvt'],
]);

function endpointOf(field: Field, side: 'source' | 'dest', limits: FlowLimits): CalicoEndpoint {
  const shownName = textField(given(field(`${side}_name`)), `${side}_name`);
  const name = shownName === undefined ? undefined : (networkNames.get(shownName) ?? shownName);
  const namespace = textField(given(field(`${side}_namespace`)), `${side}_namespace`);
  const rawLabels = field(`${side}_labels`);
  const labels = typeof rawLabels === 'string' ? whiskerLabels(rawLabels) : rawLabels;
  return {
    type: endpointTypes.get(field(`${side}_type`)) ?? guessedType(name, namespace),
    ip: undefined,
    namespace,
    name,
    labels: textsField(labels, `${side}_labels`, limits.labelsPerEndpoint, 'labels per endpoint'),
  };
}

/** Whisker leaves the type out. What is in a namespace is a pod; of other names only the two of networks are sure. */
function guessedType(name: string | undefined, namespace: string | undefined): CalicoEndpointType {
  if (name === 'pub' || name === 'pvt') return 'network';
  return namespace === undefined ? 'unknown' : 'workload';
}

function whiskerLabels(text: string): readonly string[] {
  return text.split(' | ').filter((label) => label !== '' && label !== '-');
}

function serviceOf(field: Field): CalicoReport['service'] {
  const namespace = textField(given(field('dest_service_namespace')), 'dest_service_namespace');
  const name = textField(given(field('dest_service_name')), 'dest_service_name');
  return namespace === undefined || name === undefined ? undefined : { namespace, name };
}

function given(value: unknown): unknown {
  return value === '-' ? undefined : value;
}

function protocolOf(value: unknown): number {
  const protocol = typeof value === 'string' ? parseProtocol(value) : undefined;
  if (protocol !== undefined) return protocol;
  throw new UnusableRecord(`proto: expected a protocol, got ${shown(value)}`);
}
