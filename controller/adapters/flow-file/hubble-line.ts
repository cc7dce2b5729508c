import type { FlowLoss } from '../../model/flow.ts';
import { protocolNumber } from '../../model/protocol.ts';
import type { FlowLimits } from './flow-limits.ts';
import {
  hubbleNode,
  isDeliveredAt,
  isNeighbourDiscoveryType,
  isPolicyVerdictEvent,
  isReplyOf,
} from './hubble-fields.ts';
import { isSnakeCased, snakeCased } from './hubble-names.ts';
import { type HubblePacket, hubbleFlow, type TcpFlags } from './hubble-packet.ts';
import { hubbleEndpoint, hubbleHints, hubblePeer } from './hubble-peer.ts';
import { HubbleShortcut } from './hubble-shortcut.ts';
import { hubbleVerdict } from './hubble-verdict.ts';
import { isObject, type JsonObject, parseJsonObject } from './json-record.ts';
import { type LineOutcome, type LineReader, outcomeOf, skipped } from './line-outcome.ts';
import { countField, ipField, objectField, portField, timeField } from './record-fields.ts';
import { UnusableRecord } from './unusable-record.ts';

/**
 * Reads lines of Hubble: `hubble observe -o json`, the agent's export file, bare flows of old CLIs; proto names or
 * lowerCamelCase, enums as names or numbers. One line is one packet event or one message about lost events.
 */
export function hubbleLines(limits: FlowLimits): LineReader {
  const shortcut = new HubbleShortcut(limits);
  const parse = wholeHubbleLines(limits);
  return (line, loggedMs) => shortcut.outcome(line) ?? parse(line, loggedMs);
}

/** The same without the shortcut for the usual layout: every line goes through JSON.parse as a whole. */
export function wholeHubbleLines(limits: FlowLimits): LineReader {
  return (line, loggedMs) => outcomeOf(() => hubbleRecord(parseJsonObject(line, limits), loggedMs, limits));
}

function hubbleRecord(record: JsonObject, loggedMs: number | undefined, limits: FlowLimits): LineOutcome {
  const wrapped = record['flow'];
  if (isObject(wrapped)) {
    return isSnakeCased(wrapped)
      ? packetOutcome(wrapped, record, loggedMs, limits)
      : packetOutcome(snakeCased(wrapped), snakeCased(record), loggedMs, limits);
  }
  const event = isSnakeCased(record) ? record : snakeCased(record);
  if (isObject(event['lost_events'])) return lostEvents(event, event['lost_events'], loggedMs);
  if (isObject(event['node_status'])) return nodeStatus(event, event['node_status'], loggedMs);
  if (isObject(event['agent_event']) || isObject(event['debug_event'])) return skipped;
  if (event['verdict'] !== undefined || isObject(event['IP']) || isObject(event['l4'])) {
    return packetOutcome(event, event, loggedMs, limits);
  }
  throw new UnusableRecord('neither a flow nor another event of Hubble');
}

function packetOutcome(
  flow: JsonObject,
  wrapper: JsonObject,
  loggedMs: number | undefined,
  limits: FlowLimits,
): LineOutcome {
  const isVerdictEvent = isPolicyVerdictEvent(flow['event_type']);
  const verdict = hubbleVerdict(flow['verdict'], flow['drop_reason_desc'] ?? flow['drop_reason'], isVerdictEvent);
  const l4 = objectField(flow['l4'], 'l4');
  const transport = l4 === undefined ? undefined : transportOf(l4);
  if (verdict === undefined || transport === undefined || isNeighbourDiscovery(transport)) return skipped;

  const node = hubbleNode(wrapper['node_name'] ?? flow['node_name']);
  const ip = objectField(flow['IP'], 'IP');
  const sourceIp = ipField(ip?.['source'], 'IP.source');
  const destinationIp = ipField(ip?.['destination'], 'IP.destination');
  const sourceHints = hubbleHints(flow['source_names'], flow['source_service'], 'source', limits);
  const destinationHints = hubbleHints(flow['destination_names'], flow['destination_service'], 'destination', limits);
  const packet: HubblePacket = {
    timeMs: timeOf(flow['time'] ?? wrapper['time'], loggedMs),
    node,
    verdict,
    protocol: transport.protocol,
    source: hubblePeer(hubbleEndpoint(flow['source'], 'source', limits), sourceIp, sourceHints, node),
    destination: hubblePeer(
      hubbleEndpoint(flow['destination'], 'destination', limits),
      destinationIp,
      destinationHints,
      node,
    ),
    sourceIp,
    destinationIp,
    sourcePort: portField(transport.fields['source_port'], 'source_port'),
    destinationPort: portField(transport.fields['destination_port'], 'destination_port'),
    flags: flagsOf(transport),
    isReply: isReplyOf(flow['is_reply'], isObject(flow['extensions'])),
    hasReplyBit: flow['reply'] === true,
    isDelivered: isDeliveredAt(flow['trace_observation_point']),
    isPolicyVerdict: verdict === 'denied' || isVerdictEvent,
  };
  return { kind: 'flow', flow: hubbleFlow(packet) };
}

function timeOf(value: unknown, loggedMs: number | undefined): number {
  const timeMs = timeField(value, 'time') ?? loggedMs;
  if (timeMs === undefined) throw new UnusableRecord('no time');
  return timeMs;
}

interface Transport {
  readonly protocol: number;
  readonly fields: JsonObject;
}

const transports = [
  ['TCP', protocolNumber.TCP],
  ['UDP', protocolNumber.UDP],
  ['SCTP', protocolNumber.SCTP],
  ['ICMPv4', protocolNumber.ICMP],
  ['ICMPv6', protocolNumber.ICMPv6],
] as const;

function transportOf(l4: JsonObject): Transport | undefined {
  for (const [name, protocol] of transports) {
    const fields = objectField(l4[name], `l4.${name}`);
    if (fields !== undefined) return { protocol, fields };
  }
  return undefined;
}

function isNeighbourDiscovery({ protocol, fields }: Transport): boolean {
  const type = fields['type'];
  return protocol === protocolNumber.ICMPv6 && typeof type === 'number' && isNeighbourDiscoveryType(type);
}

function flagsOf({ protocol, fields }: Transport): TcpFlags | undefined {
  const flags = protocol === protocolNumber.TCP ? objectField(fields['flags'], 'l4.TCP.flags') : undefined;
  if (flags === undefined || Object.keys(flags).length === 0) return undefined;
  return { syn: flags['SYN'] === true, ack: flags['ACK'] === true, rst: flags['RST'] === true };
}

function lostEvents(event: JsonObject, lost: JsonObject, loggedMs: number | undefined): LineOutcome {
  const events = lost['num_events_lost'];
  const loss: FlowLoss = {
    timeMs: timeOf(event['time'], loggedMs),
    source: 'hubble',
    node: hubbleNode(event['node_name']),
    events: events === undefined ? undefined : countField(events, 'lost_events.num_events_lost'),
    kind: 'lost',
  };
  return { kind: 'losses', losses: [loss] };
}

/** The relay's word about nodes; any state but CONNECTED means that they are not observed. */
function nodeStatus(event: JsonObject, status: JsonObject, loggedMs: number | undefined): LineOutcome {
  const state = status['state_change'];
  if (state === 'NODE_CONNECTED' || state === 1) return skipped;
  const timeMs = timeOf(event['time'], loggedMs);
  const names = status['node_names'] ?? [];
  if (!Array.isArray(names)) throw new UnusableRecord('node_status.node_names: expected a list');
  const nodes = names.length === 0 ? [''] : names.map((name: unknown) => hubbleNode(name));
  const losses = nodes.map(
    (node): FlowLoss => ({ timeMs, source: 'hubble', node, events: undefined, kind: 'unavailable' }),
  );
  return { kind: 'losses', losses };
}
