import protobuf from 'protobufjs/minimal.js';
import type { FlowPeer } from '../../model/flow.ts';
import { protocolNumber } from '../../model/protocol.ts';
import type { FlowLimits } from '../flow-file/flow-limits.ts';
import { isNeighbourDiscoveryType, isReplyOf, withoutCluster } from '../flow-file/hubble-fields.ts';
import { hubbleFlow, type TcpFlags } from '../flow-file/hubble-packet.ts';
import { type HubbleHints, hubbleHints, hubblePeer, noHints, rememberedPeer } from '../flow-file/hubble-peer.ts';
import { hubbleVerdict } from '../flow-file/hubble-verdict.ts';
import { validTime } from '../flow-file/rfc3339.ts';
import { shown, UnusableRecord } from '../flow-file/unusable-record.ts';
import { markOfBytes, markOfText } from './event-marks.ts';
import type { HubbleMessage } from './hubble-message.ts';
import { KnownEndpoints } from './known-endpoints.ts';
import { readLostEvents, readNodeStatus } from './relay-events.ts';
import { enter, leave, pass, readTimestamp, type TextBuffer } from './wire.ts';

const skipped: HubbleMessage = { kind: 'skipped' };
const noBytes = Buffer.alloc(0);
/** Node names remembered by their bytes; when there are more, all are forgotten. */
const mostNodes = 16_384;

/**
 * Reads `observer.GetFlowsResponse` by hand: only the fields that the JSON of the same message is read for, so that both
 * give equal flows. A message that cannot be read is rejected, and nothing is thrown for it. Fields are known by number
 * and wire type together, so that one of another type is unknown and skipped, as protobuf wants it.
 */
export class ResponseReader {
  readonly #limits: FlowLimits;
  readonly #endpoints: KnownEndpoints;
  readonly #nodes = new Map<string, string>();
  readonly #reader = new protobuf.BufferReader(noBytes);

  constructor(limits: FlowLimits) {
    this.#limits = limits;
    this.#endpoints = new KnownEndpoints(limits);
  }

  read(bytes: Buffer): HubbleMessage {
    const reader = this.#reader;
    reader.buf = bytes;
    reader.pos = 0;
    reader.len = bytes.length;
    try {
      if (bytes.length > this.#limits.lineBytes) {
        throw new UnusableRecord(`${bytes.length} bytes, more than ${this.#limits.lineBytes} (limit: lineBytes)`);
      }
      return this.#response(reader);
    } catch (error) {
      if (error instanceof UnusableRecord) return { kind: 'rejected', reason: error.message };
      // the library throws these for bytes that are no protobuf
      if (error instanceof RangeError || (error instanceof Error && error.constructor === Error)) {
        return { kind: 'rejected', reason: `no protobuf message of Hubble: ${error.message}` };
      }
      throw error;
    } finally {
      // a message may be a part of a large block, which must not be kept for it
      reader.buf = noBytes;
    }
  }

  #response(reader: protobuf.Reader): HubbleMessage {
    let kind = 0;
    let start = 0;
    let end = 0;
    let nodeStart = 0;
    let nodeEnd = 0;
    let timeUs = -1;
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      switch (tag) {
        case 0x0a:
        case 0x12:
        case 0x1a:
          kind = tag >>> 3;
          start = pass(reader);
          end = reader.pos;
          break;
        case 0x1f42:
          nodeStart = pass(reader);
          nodeEnd = reader.pos;
          break;
        case 0x1f4a:
          timeUs = readTimestamp(reader);
          break;
        default:
          reader.skipType(tag & 7);
      }
    }
    reader.pos = start;
    reader.len = end;
    switch (kind) {
      case 1:
        return this.#packet(reader, nodeStart, nodeEnd, timeUs);
      case 2:
        return readNodeStatus(reader, timeUs);
      case 3:
        return readLostEvents(reader, this.#node(reader, nodeStart, nodeEnd), timeUs);
      default:
        return skipped;
    }
  }

  #packet(reader: protobuf.Reader, outerNodeStart: number, outerNodeEnd: number, outerTimeUs: number): HubbleMessage {
    let timeUs = outerTimeUs;
    let verdictNumber = 0;
    let dropReason = 0;
    let dropReasonDesc = 0;
    let ipStart = 0;
    let ipEnd = 0;
    let l4Start = 0;
    let l4End = 0;
    let sourceStart = 0;
    let sourceEnd = 0;
    let destinationStart = 0;
    let destinationEnd = 0;
    let nodeStart = outerNodeStart;
    let nodeEnd = outerNodeEnd;
    let uuidStart = 0;
    let uuidEnd = 0;
    let hasReplyBit = false;
    let replySaid: boolean | undefined;
    let eventType = 0;
    let observationPoint = 0;
    let hasExtensions = false;
    let hasHints = false;
    const { pos: flowStart, len: flowEnd } = reader;
    while (reader.pos < flowEnd) {
      const tag = reader.uint32();
      switch (tag) {
        case 0x0a:
          timeUs = readTimestamp(reader);
          break;
        case 0x10:
          verdictNumber = reader.int32();
          break;
        case 0x18:
          dropReason = reader.uint32();
          break;
        case 0x2a:
          ipStart = pass(reader);
          ipEnd = reader.pos;
          break;
        case 0x32:
          l4Start = pass(reader);
          l4End = reader.pos;
          break;
        case 0x42:
          sourceStart = pass(reader);
          sourceEnd = reader.pos;
          break;
        case 0x4a:
          destinationStart = pass(reader);
          destinationEnd = reader.pos;
          break;
        case 0x5a: {
          const innerStart = pass(reader);
          if (outerNodeStart === outerNodeEnd) {
            nodeStart = innerStart;
            nodeEnd = reader.pos;
          }
          break;
        }
        case 0x6a:
        case 0x72:
        case 0xa2:
        case 0xaa:
          hasHints = true;
          pass(reader);
          break;
        case 0x80:
          hasReplyBit = reader.bool();
          break;
        case 0x9a:
          eventType = readFirstNumber(reader);
          break;
        case 0xc0:
          observationPoint = reader.int32();
          break;
        case 0xc8:
          dropReasonDesc = reader.int32();
          break;
        case 0xd2:
          replySaid = readFirstNumber(reader) !== 0;
          break;
        case 0x112:
          uuidStart = pass(reader);
          uuidEnd = reader.pos;
          break;
        case 0x493f82:
          hasExtensions = true;
          pass(reader);
          break;
        default:
          reader.skipType(tag & 7);
      }
    }
    if (reader.pos !== flowEnd) throw new RangeError('the flow goes beyond its end');

    const isVerdictEvent = eventType === 5;
    const reason = dropReasonDesc || dropReason || undefined;
    const verdict = hubbleVerdict(verdictNumber, reason, isVerdictEvent);
    if (verdict === undefined || l4Start === l4End) return skipped;
    const transport = readTransport(reader, l4Start, l4End);
    if (transport === undefined) return skipped;

    const timeMs = validTime(Math.floor(timeUs / 1000));
    if (timeMs === undefined) {
      throw new UnusableRecord(timeUs === -1 ? 'no time' : 'time: expected a time between 1970 and 2200');
    }
    const node = this.#node(reader, nodeStart, nodeEnd);
    const [sourceIp, destinationIp] = readAddresses(reader, ipStart, ipEnd);
    const hints = hasHints ? readHints(reader, flowStart, flowEnd, this.#limits) : undefined;
    const source = this.#peer(reader, sourceStart, sourceEnd, sourceIp, hints?.source ?? noHints, node, 'source');
    const destination = this.#peer(
      reader,
      destinationStart,
      destinationEnd,
      destinationIp,
      hints?.destination ?? noHints,
      node,
      'destination',
    );
    const flow = hubbleFlow({
      timeMs,
      node,
      verdict,
      protocol: transport.protocol,
      source,
      destination,
      sourceIp: sourceIp || undefined,
      destinationIp: destinationIp || undefined,
      sourcePort: transport.sourcePort,
      destinationPort: transport.destinationPort,
      flags: transport.flags,
      isReply: isReplyOf(replySaid, hasExtensions),
      hasReplyBit,
      isDelivered: observationPoint === 101,
      isPolicyVerdict: verdict === 'denied' || isVerdictEvent,
    });
    const mark =
      uuidStart < uuidEnd
        ? markOfBytes(node, timeUs, reader.buf, uuidStart, uuidEnd)
        : markOfText(
            node,
            timeUs,
            `${sourceIp} ${destinationIp} ${JSON.stringify(transport)} ${verdictNumber} ${eventType} ${observationPoint}`,
          );
    return { kind: 'flow', flow, mark };
  }

  #peer(
    reader: protobuf.Reader,
    start: number,
    end: number,
    ip: string,
    hints: HubbleHints,
    node: string,
    side: string,
  ): FlowPeer {
    const known = this.#endpoints.at(reader, start, end, side);
    if (ip === '') return hubblePeer(known.endpoint, undefined, hints, node);
    const peer = rememberedPeer(known, ip, hints, node);
    if (peer !== undefined) return peer;
    throw new UnusableRecord(`IP.${side}: expected an IP address, got ${shown(ip)}`);
  }

  #node(reader: protobuf.Reader, start: number, end: number): string {
    if (start === end) return '';
    const key = (reader.buf as TextBuffer).latin1Slice(start, end);
    const known = this.#nodes.get(key);
    if (known !== undefined) return known;
    const name = withoutCluster((reader.buf as TextBuffer).utf8Slice(start, end));
    if (this.#nodes.size >= mostNodes) this.#nodes.clear();
    this.#nodes.set(key, name);
    return name;
  }
}

/** Field 1 of a message within a message, where it is a number (`event_type.type`, the value of a wrapper); 0 without. */
function readFirstNumber(reader: protobuf.Reader): number {
  const outer = enter(reader);
  let value = 0;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 0x08) value = reader.int32();
    else reader.skipType(tag & 7);
  }
  leave(reader, outer);
  return value;
}

/** `IP.source` and `IP.destination`; empty where there is none. */
function readAddresses(reader: protobuf.Reader, start: number, end: number): readonly [string, string] {
  reader.pos = start;
  reader.len = end;
  let source = '';
  let destination = '';
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === 0x0a) source = reader.string();
    else if (tag === 0x12) destination = reader.string();
    else reader.skipType(tag & 7);
  }
  return [source, destination];
}

interface Transport {
  readonly protocol: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly flags: TcpFlags | undefined;
}

/** Undefined for protocols that are no traffic between workloads. */
function readTransport(reader: protobuf.Reader, start: number, end: number): Transport | undefined {
  reader.pos = start;
  reader.len = end;
  let found: Transport | undefined;
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case 0x0a:
        found = readPorts(reader, protocolNumber.TCP);
        break;
      case 0x12:
        found = readPorts(reader, protocolNumber.UDP);
        break;
      case 0x1a:
        pass(reader);
        found = { protocol: protocolNumber.ICMP, sourcePort: 0, destinationPort: 0, flags: undefined };
        break;
      case 0x22: {
        const isNoise = isNeighbourDiscoveryType(readFirstNumber(reader));
        const protocol = protocolNumber.ICMPv6;
        found = isNoise ? undefined : { protocol, sourcePort: 0, destinationPort: 0, flags: undefined };
        break;
      }
      case 0x2a:
        found = readPorts(reader, protocolNumber.SCTP);
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return found;
}

function readPorts(reader: protobuf.Reader, protocol: number): Transport {
  const outer = enter(reader);
  let sourcePort = 0;
  let destinationPort = 0;
  let flags: TcpFlags | undefined;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 0x08) sourcePort = readPort(reader, 'source_port');
    else if (tag === 0x10) destinationPort = readPort(reader, 'destination_port');
    else if (tag === 0x1a && protocol === protocolNumber.TCP) flags = readFlags(reader);
    else reader.skipType(tag & 7);
  }
  leave(reader, outer);
  return { protocol, sourcePort, destinationPort, flags };
}

function readPort(reader: protobuf.Reader, field: string): number {
  const port = reader.uint32();
  if (port <= 65535) return port;
  throw new UnusableRecord(`${field}: expected a port from 0 to 65535, got ${port}`);
}

/** Undefined when none is set: then the flags are not known. */
function readFlags(reader: protobuf.Reader): TcpFlags | undefined {
  const outer = enter(reader);
  let bits = 0;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    // nine of them, FIN = 1 to NS = 9
    if ((tag & 7) === 0 && tag <= 0x48) bits |= reader.bool() ? 1 << (tag >>> 3) : 0;
    else reader.skipType(tag & 7);
  }
  leave(reader, outer);
  return bits === 0 ? undefined : { syn: (bits & 4) !== 0, ack: (bits & 32) !== 0, rst: (bits & 8) !== 0 };
}

/** DNS names and Services of both sides; few flows have them, so that the flow is read once more for them. */
function readHints(reader: protobuf.Reader, start: number, end: number, limits: FlowLimits) {
  reader.pos = start;
  reader.len = end;
  const sourceNames: string[] = [];
  const destinationNames: string[] = [];
  let sourceService: object | undefined;
  let destinationService: object | undefined;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === 0x6a) sourceNames.push(reader.string());
    else if (tag === 0x72) destinationNames.push(reader.string());
    else if (tag === 0xa2) sourceService = readService(reader);
    else if (tag === 0xaa) destinationService = readService(reader);
    else reader.skipType(tag & 7);
  }
  return {
    source: hubbleHints(sourceNames, sourceService, 'source', limits),
    destination: hubbleHints(destinationNames, destinationService, 'destination', limits),
  };
}

function readService(reader: protobuf.Reader): object {
  const outer = enter(reader);
  let name = '';
  let namespace = '';
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 0x0a) name = reader.string();
    else if (tag === 0x12) namespace = reader.string();
    else reader.skipType(tag & 7);
  }
  leave(reader, outer);
  return { name, namespace };
}
