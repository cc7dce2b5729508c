import type { Flow, FlowPeer } from '../../model/flow.ts';
import { protocolNumber } from '../../model/protocol.ts';

export interface TcpFlags {
  readonly syn: boolean;
  readonly ack: boolean;
  readonly rst: boolean;
}

/** One packet event as Hubble reports it, from the packet's point of view: source and destination, no client and server. */
export interface HubblePacket {
  readonly timeMs: number;
  readonly node: string;
  readonly verdict: 'allowed' | 'denied' | 'audited';
  /** IANA number. */
  readonly protocol: number;
  readonly source: FlowPeer;
  readonly destination: FlowPeer;
  readonly sourceIp: string | undefined;
  readonly destinationIp: string | undefined;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Undefined for other protocols than TCP, and where the record leaves all flags out. */
  readonly flags: TcpFlags | undefined;
  /** Hubble's three states: undefined means that it does not know, and never false. */
  readonly isReply: boolean | undefined;
  /** The deprecated bit of old agents is set; when it is not set, that may mean that they did not know. */
  readonly hasReplyBit: boolean;
  /** It was handed to the pod that it is for, so that this one runs on the reporting node. */
  readonly isDelivered: boolean;
  /** A policy decided on this packet, which it does for the first one of a connection only. */
  readonly isPolicyVerdict: boolean;
}

export function hubbleFlow(packet: HubblePacket): Flow {
  const direction = directionOf(packet);
  const isReply = direction === 'reply';
  const server = isReply ? packet.source : packet.destination;
  const serverPort = isReply ? packet.sourcePort : packet.destinationPort;
  const serverIp = isReply ? packet.sourceIp : packet.destinationIp;
  const isService = server.service !== undefined;
  return {
    timeMs: packet.timeMs,
    endMs: packet.timeMs,
    client: isReply ? packet.destination : packet.source,
    server,
    clientPort: isReply ? packet.destinationPort : packet.sourcePort,
    port: serverPort,
    addressed: isService && serverIp !== undefined ? { ip: serverIp, port: serverPort } : undefined,
    protocol: packet.protocol,
    directed: direction !== undefined,
    verdict: packet.verdict,
    answered: isAnswer(packet, direction) ? true : undefined,
    connections: 1,
    bytes: 0,
    source: 'hubble',
    node: packet.node,
    ...(packet.isDelivered && direction === 'first' && packet.node !== '' && { serverNode: packet.node }),
  };
}

type Direction = 'first' | 'reply' | undefined;

/** Whether the packet goes from the client (`first`) or to it (`reply`); undefined when Hubble does not say. */
function directionOf(packet: HubblePacket): Direction {
  const handshake = handshakeOf(packet.flags);
  if (packet.isReply !== undefined) {
    const said = packet.isReply ? 'reply' : 'first';
    // The handshake's own flags are facts of the packet: where they say the opposite, nobody knows.
    return handshake === undefined || handshake === said ? said : undefined;
  }
  if (handshake !== undefined) return handshake;
  if (packet.hasReplyBit) return 'reply';
  return packet.isPolicyVerdict && packet.flags === undefined ? 'first' : undefined;
}

/** SYN opens a connection, SYN with ACK answers; other packets do not tell. */
function handshakeOf(flags: TcpFlags | undefined): Direction {
  if (flags === undefined || !flags.syn) return undefined;
  return flags.ack ? 'reply' : 'first';
}

/**
 * True when the packet shows that the server answered: it is a reply and no reset, or the client acknowledges. The trace
 * reason ESTABLISHED is no sign, because a repeated SYN has it too.
 */
function isAnswer({ flags, verdict, protocol }: HubblePacket, direction: Direction): boolean {
  if (verdict === 'denied' || direction === undefined) return false;
  if (protocol !== protocolNumber.TCP || flags === undefined) return direction === 'reply';
  if (flags.rst) return false;
  return direction === 'reply' || (flags.ack && !flags.syn);
}
