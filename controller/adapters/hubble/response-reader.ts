import type { FlowLimits } from '../flow-file/flow-limits.ts';
import { isReplyOf, withoutCluster } from '../flow-file/hubble-fields.ts';
import { hubbleFlow } from '../flow-file/hubble-packet.ts';
import { noHints } from '../flow-file/hubble-peer.ts';
import { hubbleVerdict } from '../flow-file/hubble-verdict.ts';
import { validTime } from '../flow-file/rfc3339.ts';
import { UnusableRecord } from '../flow-file/unusable-record.ts';
import { keyOfBytes, keyOfText } from './event-key.ts';
import type { HubbleMessage } from './hubble-message.ts';
import { KnownNames } from './known-names.ts';
import { KnownPeers } from './known-peers.ts';
import { readHints } from './read-hints.ts';
import { readTransport } from './read-transport.ts';
import { readLostEvents, readNodeStatus } from './relay-events.ts';
import { readFirstNumber, readTimestamp, WireCursor } from './wire-cursor.ts';

const skipped: HubbleMessage = { kind: 'skipped' };
const noBytes = Buffer.alloc(0);

/**
 * Reads `observer.GetFlowsResponse` by hand: only the fields that the JSON of the same message is read for, so that both
 * give equal flows. A message that cannot be read is rejected, and nothing is thrown for it. Fields are known by number
 * and wire type together, so that one of another type is unknown and skipped, as protobuf wants it.
 */
export class ResponseReader {
  readonly #limits: FlowLimits;
  readonly #peers: KnownPeers;
  readonly #nodes = new KnownNames(withoutCluster);
  readonly #cursor = new WireCursor();

  constructor(limits: FlowLimits) {
    this.#limits = limits;
    this.#peers = new KnownPeers(limits);
  }

  /** The message that lies there in these bytes, of which nothing is kept. */
  read(bytes: Buffer, start = 0, end: number = bytes.length): HubbleMessage {
    const cursor = this.#cursor;
    cursor.bytes = bytes;
    cursor.goTo(start, end);
    try {
      if (end - start > this.#limits.lineBytes) {
        throw new UnusableRecord(`${end - start} bytes, more than ${this.#limits.lineBytes} (limit: lineBytes)`);
      }
      return this.#response(cursor);
    } catch (error) {
      if (error instanceof UnusableRecord) return { kind: 'rejected', reason: error.message };
      if (error instanceof RangeError) {
        return { kind: 'rejected', reason: `no protobuf message of Hubble: ${error.message}` };
      }
      throw error;
    } finally {
      // a message may be a part of a large block, which must not be kept for it
      cursor.bytes = noBytes;
    }
  }

  /** `case`s are field numbers times eight plus the wire type, as they stand in the bytes. */
  #response(cursor: WireCursor): HubbleMessage {
    let kind = 0;
    let start = 0;
    let end = 0;
    let nodeStart = 0;
    let nodeEnd = 0;
    let timeUs = -1;
    while (cursor.hasMore) {
      const tag = cursor.varint();
      switch (tag) {
        case 0x0a:
        case 0x12:
        case 0x1a:
          kind = tag >>> 3;
          start = cursor.pass();
          end = cursor.pos;
          break;
        case 0x1f42:
          nodeStart = cursor.pass();
          nodeEnd = cursor.pos;
          break;
        case 0x1f4a:
          timeUs = readTimestamp(cursor);
          break;
        default:
          cursor.skip(tag);
      }
    }
    cursor.goTo(start, end);
    switch (kind) {
      case 1:
        return this.#packet(cursor, nodeStart, nodeEnd, timeUs);
      case 2:
        return readNodeStatus(cursor, timeUs);
      case 3:
        return readLostEvents(cursor, this.#nodes.at(cursor, nodeStart, nodeEnd), timeUs);
      default:
        return skipped;
    }
  }

  #packet(cursor: WireCursor, outerNodeStart: number, outerNodeEnd: number, outerTimeUs: number): HubbleMessage {
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
    const { pos: flowStart, end: flowEnd } = cursor;
    while (cursor.hasMore) {
      const tag = cursor.varint();
      switch (tag) {
        case 0x0a:
          timeUs = readTimestamp(cursor);
          break;
        case 0x10:
          verdictNumber = cursor.varint();
          break;
        case 0x18:
          dropReason = cursor.varint();
          break;
        case 0x2a:
          ipStart = cursor.pass();
          ipEnd = cursor.pos;
          break;
        case 0x32:
          l4Start = cursor.pass();
          l4End = cursor.pos;
          break;
        case 0x42:
          sourceStart = cursor.pass();
          sourceEnd = cursor.pos;
          break;
        case 0x4a:
          destinationStart = cursor.pass();
          destinationEnd = cursor.pos;
          break;
        case 0x5a: {
          const innerStart = cursor.pass();
          if (outerNodeStart === outerNodeEnd) {
            nodeStart = innerStart;
            nodeEnd = cursor.pos;
          }
          break;
        }
        case 0x6a:
        case 0x72:
        case 0xa2:
        case 0xaa:
          hasHints = true;
          cursor.pass();
          break;
        case 0x80:
          hasReplyBit = cursor.varint() !== 0;
          break;
        case 0x9a:
          eventType = readFirstNumber(cursor);
          break;
        case 0xc0:
          observationPoint = cursor.varint();
          break;
        case 0xc8:
          dropReasonDesc = cursor.varint();
          break;
        case 0xd2:
          replySaid = readFirstNumber(cursor) !== 0;
          break;
        case 0x112:
          uuidStart = cursor.pass();
          uuidEnd = cursor.pos;
          break;
        case 0x124f82:
          hasExtensions = true;
          cursor.pass();
          break;
        default:
          cursor.skip(tag);
      }
    }

    const isVerdictEvent = eventType === 5;
    const reason = dropReasonDesc || dropReason || undefined;
    const verdict = hubbleVerdict(verdictNumber, reason, isVerdictEvent);
    if (verdict === undefined || l4Start === l4End) return skipped;
    cursor.goTo(l4Start, l4End);
    const transport = readTransport(cursor);
    if (transport === undefined) return skipped;

    const timeMs = validTime(Math.floor(timeUs / 1000));
    if (timeMs === undefined) {
      throw new UnusableRecord(timeUs === -1 ? 'no time' : 'time: expected a time between 1970 and 2200');
    }
    let sourceIpStart = 0;
    let sourceIpEnd = 0;
    let destinationIpStart = 0;
    let destinationIpEnd = 0;
    cursor.goTo(ipStart, ipEnd);
    while (cursor.hasMore) {
      const tag = cursor.varint();
      if (tag === 0x0a) {
        sourceIpStart = cursor.pass();
        sourceIpEnd = cursor.pos;
      } else if (tag === 0x12) {
        destinationIpStart = cursor.pass();
        destinationIpEnd = cursor.pos;
      } else cursor.skip(tag);
    }
    const node = this.#nodes.at(cursor, nodeStart, nodeEnd);
    let sourceHints = noHints;
    let destinationHints = noHints;
    if (hasHints) {
      cursor.goTo(flowStart, flowEnd);
      ({ source: sourceHints, destination: destinationHints } = readHints(cursor, this.#limits));
    }
    const source = this.#peers.at(
      cursor,
      sourceStart,
      sourceEnd,
      sourceIpStart,
      sourceIpEnd,
      sourceHints,
      node,
      'source',
    );
    const destination = this.#peers.at(
      cursor,
      destinationStart,
      destinationEnd,
      destinationIpStart,
      destinationIpEnd,
      destinationHints,
      node,
      'destination',
    );
    const flow = hubbleFlow({
      timeMs,
      node,
      verdict,
      protocol: transport.protocol,
      source: source.peer,
      destination: destination.peer,
      sourceIp: source.ip,
      destinationIp: destination.ip,
      sourcePort: transport.sourcePort,
      destinationPort: transport.destinationPort,
      flags: transport.flags,
      isReply: isReplyOf(replySaid, hasExtensions),
      hasReplyBit,
      isDelivered: observationPoint === 101,
      isPolicyVerdict: verdict === 'denied' || isVerdictEvent,
    });
    const key =
      uuidStart < uuidEnd
        ? keyOfBytes(cursor.bytes, uuidStart, uuidEnd)
        : keyOfText(
            JSON.stringify([timeUs, source.ip, destination.ip, transport, verdictNumber, eventType, observationPoint]),
          );
    return { kind: 'flow', flow, timeUs, key };
  }
}
