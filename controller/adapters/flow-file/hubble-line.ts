import type { Flow, FlowLoss, FlowVerdict } from '../../model/flow.ts';
import { protocolNumber } from '../../model/protocol.ts';
import type { FlowLimits } from './flow-limits.ts';
import { hubblePeer } from './hubble-peer.ts';
import { isSnakeCased, snakeCased } from './hubble-names.ts';
import { isObject, type JsonObject, parseJsonObject } from './json-record.ts';
import { type LineOutcome, type LineReader, outcomeOf, skipped } from './line-outcome.ts';
import { countField, ipField, objectField, portField, textField, timeField } from './record-fields.ts';
import { UnusableRecord } from './unusable-record.ts';

/**
 * Reads lines of Hubble: `hubble observe -o json`, the agent's export file, bare flows of old CLIs; proto names or
 * lowerCamelCase, enums as names or numbers. One line is one packet event or one message about lost events.
 */
export function hubbleLines(limits: FlowLimits): LineReader {
  return (line, loggedMs) => outcomeOf(() => hubbleRecord(parseJsonObject(line, limits), loggedMs, limits));
}

function hubbleRecord(record: JsonObject, loggedMs: number | undefined, limits: FlowLimits): LineOutcome {
  const wrapped = record['flow'];
  if (isObject(wrapped)) {
    return isSnakeCased(wrapped)
      ? hubbleFlow(wrapped, record, loggedMs, limits)
      : hubbleFlow(snakeCased(wrapped), snakeCased(record), loggedMs, limits);
  }
  const event = isSnakeCased(record) ? record : snakeCased(record);
  if (isObject(event['lost_events'])) return lostEvents(event, event['lost_events'], loggedMs);
  if (isObject(event['node_status'])) return nodeStatus(event, event['node_status'], loggedMs);
  if (isObject(event['agent_event']) || isObject(event['debug_event'])) return skipped;
  if (event['verdict'] !== undefined || isObject(event['IP']) || isObject(event['l4'])) {
    return hubbleFlow(event, event, loggedMs, limits);
  }
  throw new UnusableRecord('neither a flow nor another event of Hubble');
}

function hubbleFlow(
  flow: JsonObject,
  wrapper: JsonObject,
  loggedMs: number | undefined,
  limits: FlowLimits,
): LineOutcome {
  const verdict = verdictOf(flow);
  const l4 = flow['l4'];
  if (verdict === undefined || !isObject(l4)) return skipped;
  const packet = packetOf(l4);
  if (packet === undefined || isNeighbourDiscovery(packet)) return skipped;

  const timeMs = timeOf(flow['time'] ?? wrapper['time'], loggedMs);
  const node = nodeOf(wrapper['node_name'] ?? flow['node_name']);
  const direction = directionOf(flow, packet, verdict);
  const ip = objectField(flow['IP'], 'IP');
  const source = hubblePeer(
    flow['source'],
    'source',
    ipField(ip?.['source'], 'IP.source'),
    flow['source_names'],
    flow['source_service'],
    node,
    limits,
  );
  const destination = hubblePeer(
    flow['destination'],
    'destination',
    ipField(ip?.['destination'], 'IP.destination'),
    flow['destination_names'],
    flow['destination_service'],
    node,
    limits,
  );
  const sourcePort = portField(packet.fields['source_port'], 'source_port');
  const destinationPort = portField(packet.fields['destination_port'], 'destination_port');
  const reply = direction === 'reply';
  const server = reply ? source : destination;
  const serverPort = reply ? sourcePort : destinationPort;
  const serverIp = reply ? ip?.['source'] : ip?.['destination'];
  const result: Flow = {
    timeMs,
    endMs: timeMs,
    client: reply ? destination : source,
    server,
    clientPort: reply ? destinationPort : sourcePort,
    port: server.service === undefined ? serverPort : 0,
    addressed: server.service === undefined ? undefined : addressedOf(serverIp, serverPort),
    protocol: packet.protocol,
    directed: direction !== undefined,
    verdict,
    answered: isAnswer(packet, direction, verdict) ? true : undefined,
    connections: 1,
    bytes: 0,
    source: 'hubble',
    node,
  };
  return { kind: 'flow', flow: result };
}

function addressedOf(ip: unknown, port: number): Flow['addressed'] {
  return typeof ip === 'string' && ip !== '' ? { ip, port } : undefined;
}

function timeOf(value: unknown, loggedMs: number | undefined): number {
  const timeMs = timeField(value, 'time') ?? loggedMs;
  if (timeMs === undefined) throw new UnusableRecord('no time');
  return timeMs;
}

/** The node without the cluster name that may stand before it. */
function nodeOf(value: unknown): string {
  const name = textField(value, 'node_name');
  return name === undefined ? '' : name.slice(name.indexOf('/') + 1);
}

/** Undefined for verdicts that are no decision about traffic that passed or was denied by policy. */
function verdictOf(flow: JsonObject): FlowVerdict | undefined {
  switch (flow['verdict']) {
    case 'FORWARDED':
    case 'REDIRECTED':
    case 1:
    case 5:
      return 'allowed';
    case 'AUDIT':
    case 4:
      return 'audited';
    case 'DROPPED':
    case 2:
      return isPolicyDrop(flow) ? 'denied' : undefined;
    default:
      return undefined;
  }
}

const policyDropReasons: ReadonlySet<unknown> = new Set([
  133,
  181,
  189,
  'POLICY_DENIED',
  'POLICY_DENY',
  'AUTH_REQUIRED',
]);

/** Any other reason (stale address, unroutable, rate limit, …) is no word of a policy. */
function isPolicyDrop(flow: JsonObject): boolean {
  const reason = flow['drop_reason_desc'] ?? flow['drop_reason'];
  return reason === undefined ? isPolicyVerdictEvent(flow) : policyDropReasons.has(reason);
}

/** Policy verdicts are events of type 5; they are made for the first packet of a connection only. */
function isPolicyVerdictEvent(flow: JsonObject): boolean {
  const event = flow['event_type'];
  return isObject(event) && event['type'] === 5;
}

interface Packet {
  readonly protocol: number;
  readonly fields: JsonObject;
}

function packetOf(l4: JsonObject): Packet | undefined {
  const tcp = l4['TCP'];
  if (isObject(tcp)) return { protocol: protocolNumber.TCP, fields: tcp };
  const udp = l4['UDP'];
  if (isObject(udp)) return { protocol: protocolNumber.UDP, fields: udp };
  for (const [name, protocol] of otherProtocols) {
    const fields = l4[name];
    if (isObject(fields)) return { protocol, fields };
  }
  return undefined;
}

const otherProtocols = [
  ['SCTP', protocolNumber.SCTP],
  ['ICMPv4', protocolNumber.ICMP],
  ['ICMPv6', protocolNumber.ICMPv6],
] as const;

function isNeighbourDiscovery({ protocol, fields }: Packet): boolean {
  const type = fields['type'];
  return protocol === protocolNumber.ICMPv6 && typeof type === 'number' && type >= 133 && type <= 137;
}

/** Whether the packet goes from the client (`first`) or to it (`reply`); undefined when Hubble does not say. */
function directionOf(flow: JsonObject, packet: Packet, verdict: FlowVerdict): 'first' | 'reply' | undefined {
  const handshake = handshakeOf(packet);
  const isReply = flow['is_reply'];
  if (typeof isReply === 'boolean') {
    const said = isReply ? 'reply' : 'first';
    // The handshake's own flags are facts of the packet: where they say the opposite, nobody knows.
    return handshake === undefined || handshake === said ? said : undefined;
  }
  if (isReply !== undefined && isReply !== null) throw new UnusableRecord('is_reply: expected true or false');
  if (handshake !== undefined) return handshake;
  // The deprecated bit of old agents: true is sure, false may mean that they did not know.
  if (flow['reply'] === true) return 'reply';
  const isFirstPacket = verdict === 'denied' || isPolicyVerdictEvent(flow);
  return isFirstPacket && !hasFlags(packet) ? 'first' : undefined;
}

/** SYN opens a connection, SYN with ACK answers; other packets do not tell. */
function handshakeOf({ protocol, fields }: Packet): 'first' | 'reply' | undefined {
  const flags = fields['flags'];
  if (protocol !== protocolNumber.TCP || !isObject(flags) || flags['SYN'] !== true) return undefined;
  return flags['ACK'] === true ? 'reply' : 'first';
}

function hasFlags({ protocol, fields }: Packet): boolean {
  return protocol === protocolNumber.TCP && isObject(fields['flags']) && Object.keys(fields['flags']).length > 0;
}

/**
 * True when the packet shows that the server answered: it is a reply and no reset, or the client acknowledges. The trace
 * reason ESTABLISHED is no sign, because a repeated SYN has it too.
 */
function isAnswer(
  { protocol, fields }: Packet,
  direction: 'first' | 'reply' | undefined,
  verdict: FlowVerdict,
): boolean {
  if (verdict === 'denied' || direction === undefined) return false;
  const flags = protocol === protocolNumber.TCP ? fields['flags'] : undefined;
  if (!isObject(flags)) return direction === 'reply';
  if (flags['RST'] === true) return false;
  return direction === 'reply' || (flags['ACK'] === true && flags['SYN'] !== true);
}

function lostEvents(event: JsonObject, lost: JsonObject, loggedMs: number | undefined): LineOutcome {
  const events = lost['num_events_lost'];
  const loss: FlowLoss = {
    timeMs: timeOf(event['time'], loggedMs),
    source: 'hubble',
    node: nodeOf(event['node_name']),
    events: events === undefined ? undefined : countField(events, 'lost_events.num_events_lost'),
    kind: 'lost',
  };
  return { kind: 'losses', losses: [loss] };
}

/** The relay's word about nodes; any state but CONNECTED means that they are not observed. */
function nodeStatus(event: JsonObject, status: JsonObject, loggedMs: number | undefined): LineOutcome {
  const state = status['state_change'];
  if (state === 'NODE_CONNECTED' || state === 'CONNECTED' || state === 1) return skipped;
  const timeMs = timeOf(event['time'], loggedMs);
  const names = status['node_names'] ?? [];
  if (!Array.isArray(names)) throw new UnusableRecord('node_status.node_names: expected a list');
  const nodes = names.length === 0 ? [''] : names.map((name: unknown) => nodeOf(name));
  const losses = nodes.map(
    (node): FlowLoss => ({ timeMs, source: 'hubble', node, events: undefined, kind: 'unavailable' }),
  );
  return { kind: 'losses', losses };
}
