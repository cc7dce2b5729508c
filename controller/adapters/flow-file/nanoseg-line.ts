import {
  type Flow,
  type FlowLoss,
  type FlowPeer,
  type FlowSourceKind,
  type FlowVerdict,
  flowSourceKinds,
  mostObservedMs,
  type ObservedTime,
  type ReservedEndpoint,
  unnamedPeer,
} from '../../model/flow.ts';
import { parseProtocol, protocolName } from '../../model/protocol.ts';
import type { FlowLimits } from './flow-limits.ts';
import { type JsonObject, parseJsonObject } from './json-record.ts';
import { type LineReader, outcomeOf } from './line-outcome.ts';
import {
  countField,
  dnsNamesField,
  ipField,
  objectField,
  portField,
  textField,
  textsField,
  timeField,
} from './record-fields.ts';
import { shown, UnusableRecord } from './unusable-record.ts';

/** The first key of each of our lines, with the version of its schema as the value. */
export const nanosegKey = 'nanoseg';
const flowVersion = 'flow/v1';
const lossVersion = 'loss/v1';
/** Of lines that say that a node was observed. */
export const aliveVersion = 'alive/v1';

/**
 * One flow as one line of JSON without its newline, in the format that docs/flow-files.md documents; reading the line gives
 * an equal flow. `timeMs` and `endMs` must be whole milliseconds between 1970 and 2200.
 */
export function encodeFlow(flow: Flow): string {
  return JSON.stringify({
    [nanosegKey]: flowVersion,
    time: new Date(flow.timeMs).toISOString(),
    end: flow.endMs === flow.timeMs ? undefined : new Date(flow.endMs).toISOString(),
    // Fields that are undefined vanish in JSON, so peers are written as they stand.
    client: flow.client,
    server: flow.server,
    protocol: protocolName(flow.protocol),
    clientPort: flow.clientPort === 0 ? undefined : flow.clientPort,
    port: flow.port === 0 ? undefined : flow.port,
    addressed: flow.addressed,
    translatedClient: flow.translatedClient,
    serverNode: flow.serverNode,
    directed: flow.directed,
    verdict: flow.verdict,
    answered: flow.answered,
    connections: flow.connections === 1 ? undefined : flow.connections,
    bytes: flow.bytes === 0 ? undefined : flow.bytes,
    source: flow.source === 'nanoseg' ? undefined : flow.source,
    node: flow.node === '' ? undefined : flow.node,
  });
}

/** One report of a loss as one line, as `encodeFlow`. */
export function encodeLoss({ timeMs, source, node, events, kind }: FlowLoss): string {
  return JSON.stringify({
    [nanosegKey]: lossVersion,
    time: new Date(timeMs).toISOString(),
    source: source === 'nanoseg' ? undefined : source,
    node: node === '' ? undefined : node,
    events,
    kind,
  });
}

/** That a node was observed as one line, as `encodeFlow`. */
export function encodeObserved({ source, node, fromMs, toMs }: ObservedTime): string {
  return JSON.stringify({
    [nanosegKey]: aliveVersion,
    time: new Date(fromMs).toISOString(),
    end: new Date(toMs).toISOString(),
    source: source === 'nanoseg' ? undefined : source,
    node,
  });
}

/** Reads nanoseg's own lines: flows, losses and what was observed; a key that the schema does not know is refused, as it may be a misspelling. */
export function nanosegLines(limits: FlowLimits): LineReader {
  return (line) =>
    outcomeOf(() => {
      const record = parseJsonObject(line, limits);
      const version = record[nanosegKey];
      if (version === flowVersion) return { kind: 'flow', flow: decodeFlow(record, limits) };
      if (version === lossVersion) return { kind: 'losses', losses: [decodeLoss(record)] };
      if (version === aliveVersion) return { kind: 'observed', observed: decodeObserved(record) };
      const known = `"${flowVersion}", "${lossVersion}" or "${aliveVersion}"`;
      throw new UnusableRecord(`nanoseg: expected ${known}, got ${shown(version)}`);
    });
}

const flowKeys: ReadonlySet<string> = new Set([
  nanosegKey,
  'time',
  'end',
  'client',
  'server',
  'protocol',
  'clientPort',
  'port',
  'addressed',
  'translatedClient',
  'serverNode',
  'directed',
  'verdict',
  'answered',
  'connections',
  'bytes',
  'source',
  'node',
]);

function decodeFlow(record: JsonObject, limits: FlowLimits): Flow {
  onlyKeys(record, flowKeys, '');
  const timeMs = requiredTime(record['time'], 'time');
  const endMs = timeField(record['end'], 'end') ?? timeMs;
  if (endMs < timeMs) throw new UnusableRecord('end lies before time');
  return {
    timeMs,
    endMs,
    client: decodePeer(record['client'], 'client', limits),
    server: decodePeer(record['server'], 'server', limits),
    clientPort: portField(record['clientPort'], 'clientPort'),
    port: portField(record['port'], 'port'),
    addressed: decodeAddressed(record['addressed']),
    ...decodeTranslatedClient(record['translatedClient']),
    ...decodeServerNode(record['serverNode']),
    protocol: decodeProtocol(record['protocol']),
    directed: required(truth(record['directed'], 'directed'), 'directed'),
    verdict: oneOf<FlowVerdict>(record['verdict'], verdicts, 'verdict'),
    answered: truth(record['answered'], 'answered'),
    connections: record['connections'] === undefined ? 1 : safeCount(record['connections'], 'connections'),
    bytes: safeCount(record['bytes'], 'bytes'),
    source: decodeSource(record['source']),
    node: textField(record['node'], 'node') ?? '',
  };
}

function decodeSource(value: unknown): FlowSourceKind {
  return value === undefined ? 'nanoseg' : oneOf<FlowSourceKind>(value, flowSourceKinds, 'source');
}

const verdicts = ['allowed', 'denied', 'audited', 'none'] as const satisfies readonly FlowVerdict[];

const reservedEndpoints = [
  'host',
  'remote-node',
  'kube-apiserver',
  'ingress',
  'health',
  'world',
  'unmanaged',
] as const satisfies readonly ReservedEndpoint[];

const peerKeys: ReadonlySet<string> = new Set(Object.keys(unnamedPeer));

function decodePeer(value: unknown, side: string, limits: FlowLimits): FlowPeer {
  const peer = required(objectField(value, side), side);
  onlyKeys(peer, peerKeys, `${side}.`);
  const reserved = peer['reserved'];
  return {
    ip: ipField(peer['ip'], `${side}.ip`),
    namespace: textField(peer['namespace'], `${side}.namespace`),
    pod: textField(peer['pod'], `${side}.pod`),
    podPrefix: textField(peer['podPrefix'], `${side}.podPrefix`),
    workload: decodeNames(peer['workload'], `${side}.workload`, 'kind'),
    labels: textsField(peer['labels'], `${side}.labels`, limits.labelsPerEndpoint, 'labels per endpoint'),
    reserved:
      reserved === undefined ? undefined : oneOf<ReservedEndpoint>(reserved, reservedEndpoints, `${side}.reserved`),
    node: textField(peer['node'], `${side}.node`),
    service: decodeNames(peer['service'], `${side}.service`, 'namespace'),
    dnsNames: dnsNamesField(peer['dnsNames'], `${side}.dnsNames`, limits.dnsNamesPerEndpoint),
  };
}

/** A workload's kind and name, or a Service's namespace and name: both or nothing. */
function decodeNames<Key extends 'kind' | 'namespace'>(
  value: unknown,
  field: string,
  key: Key,
): ({ readonly [K in Key]: string } & { readonly name: string }) | undefined {
  const names = objectField(value, field);
  if (names === undefined) return undefined;
  onlyKeys(names, new Set([key, 'name']), `${field}.`);
  const first = required(textField(names[key], `${field}.${key}`), `${field}.${key}`);
  const name = required(textField(names['name'], `${field}.name`), `${field}.name`);
  return { [key]: first, name } as { readonly [K in Key]: string } & { readonly name: string };
}

function decodeTranslatedClient(value: unknown): Pick<Flow, 'translatedClient'> {
  const translatedClient = ipField(value, 'translatedClient');
  return translatedClient === undefined ? {} : { translatedClient };
}

function decodeServerNode(value: unknown): Pick<Flow, 'serverNode'> {
  const serverNode = textField(value, 'serverNode');
  return serverNode === undefined ? {} : { serverNode };
}

function decodeAddressed(value: unknown): Flow['addressed'] {
  const addressed = objectField(value, 'addressed');
  if (addressed === undefined) return undefined;
  onlyKeys(addressed, new Set(['ip', 'port']), 'addressed.');
  const ip = required(ipField(addressed['ip'], 'addressed.ip'), 'addressed.ip');
  return { ip, port: portField(addressed['port'], 'addressed.port') };
}

const lossKeys: ReadonlySet<string> = new Set([nanosegKey, 'time', 'source', 'node', 'events', 'kind']);
const lossKinds = ['lost', 'unavailable', 'sampled', 'started'] as const satisfies readonly FlowLoss['kind'][];

function decodeLoss(record: JsonObject): FlowLoss {
  onlyKeys(record, lossKeys, '');
  return {
    timeMs: requiredTime(record['time'], 'time'),
    source: decodeSource(record['source']),
    node: textField(record['node'], 'node') ?? '',
    events: record['events'] === undefined ? undefined : safeCount(record['events'], 'events'),
    kind: oneOf<FlowLoss['kind']>(record['kind'], lossKinds, 'kind'),
  };
}

const observedKeys: ReadonlySet<string> = new Set([nanosegKey, 'time', 'end', 'source', 'node']);

function decodeObserved(record: JsonObject): ObservedTime {
  onlyKeys(record, observedKeys, '');
  const fromMs = requiredTime(record['time'], 'time');
  const toMs = requiredTime(record['end'], 'end');
  if (toMs < fromMs) throw new UnusableRecord('end lies before time');
  if (toMs - fromMs > mostObservedMs) throw new UnusableRecord('end lies more than an hour after time');
  const source = decodeSource(record['source']);
  return { source, node: required(textField(record['node'], 'node') || undefined, 'node'), fromMs, toMs };
}

function decodeProtocol(value: unknown): number {
  const protocol = typeof value === 'string' ? parseProtocol(value) : undefined;
  if (protocol !== undefined) return protocol;
  throw new UnusableRecord(`protocol: expected a name such as "TCP" or "IP-4", got ${shown(value)}`);
}

function requiredTime(value: unknown, field: string): number {
  return required(timeField(value, field), field);
}

function required<T>(value: T | undefined, field: string): T {
  if (value === undefined) throw new UnusableRecord(`${field} is missing`);
  return value;
}

function truth(value: unknown, field: string): boolean | undefined {
  if (value === undefined || typeof value === 'boolean') return value;
  throw new UnusableRecord(`${field}: expected true or false, got ${shown(value)}`);
}

function safeCount(value: unknown, field: string): number {
  const count = countField(value, field);
  if (Number.isSafeInteger(count)) return count;
  throw new UnusableRecord(`${field}: too large: ${shown(value)}`);
}

function oneOf<T extends string>(value: unknown, allowed: readonly T[], field: string): T {
  for (const candidate of allowed) if (candidate === value) return candidate;
  throw new UnusableRecord(`${field}: expected one of ${allowed.join(', ')}, got ${shown(value)}`);
}

function onlyKeys(record: JsonObject, known: ReadonlySet<string>, prefix: string): void {
  for (const key of Object.keys(record)) {
    if (!known.has(key)) throw new UnusableRecord(`${prefix}${shown(key)}: no such field`);
  }
}
