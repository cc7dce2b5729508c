import { protocolNumber } from '../../model/protocol.ts';
import { isNeighbourDiscoveryType } from '../flow-file/hubble-fields.ts';
import type { TcpFlags } from '../flow-file/hubble-packet.ts';
import { UnusableRecord } from '../flow-file/unusable-record.ts';
import { readFirstNumber, type WireCursor } from './wire-cursor.ts';

interface Transport {
  /** IANA number. */
  readonly protocol: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly flags: TcpFlags | undefined;
}

/** Reads `flow.Layer4`, up to the cursor's end. Undefined for what is no traffic between workloads. */
export function readTransport(cursor: WireCursor): Transport | undefined {
  let found: Transport | undefined;
  while (cursor.hasMore) {
    const tag = cursor.varint();
    switch (tag) {
      case 0x0a:
        found = readPorts(cursor, protocolNumber.TCP);
        break;
      case 0x12:
        found = readPorts(cursor, protocolNumber.UDP);
        break;
      case 0x1a:
        cursor.pass();
        found = withoutPorts(protocolNumber.ICMP);
        break;
      case 0x22:
        found = isNeighbourDiscoveryType(readFirstNumber(cursor)) ? undefined : withoutPorts(protocolNumber.ICMPv6);
        break;
      case 0x2a:
        found = readPorts(cursor, protocolNumber.SCTP);
        break;
      default:
        cursor.skip(tag);
    }
  }
  return found;
}

function withoutPorts(protocol: number): Transport {
  return { protocol, sourcePort: 0, destinationPort: 0, flags: undefined };
}

function readPorts(cursor: WireCursor, protocol: number): Transport {
  const outer = cursor.enter();
  let sourcePort = 0;
  let destinationPort = 0;
  let flags: TcpFlags | undefined;
  while (cursor.hasMore) {
    const tag = cursor.varint();
    if (tag === 0x08) sourcePort = readPort(cursor, 'source_port');
    else if (tag === 0x10) destinationPort = readPort(cursor, 'destination_port');
    else if (tag === 0x1a && protocol === protocolNumber.TCP) flags = readFlags(cursor);
    else cursor.skip(tag);
  }
  cursor.leave(outer);
  return { protocol, sourcePort, destinationPort, flags };
}

function readPort(cursor: WireCursor, field: string): number {
  const port = cursor.varint();
  if (port <= 65535) return port;
  throw new UnusableRecord(`${field}: expected a port from 0 to 65535, got ${port}`);
}

const syn = 1 << 2;
const rst = 1 << 3;
const ack = 1 << 5;

/** Undefined when none is set: then the flags are not known. */
function readFlags(cursor: WireCursor): TcpFlags | undefined {
  const outer = cursor.enter();
  let bits = 0;
  while (cursor.hasMore) {
    const tag = cursor.varint();
    // nine of them, each true or false, from FIN in field 1 to NS in field 9
    if ((tag & 7) === 0 && tag <= 9 << 3) bits |= cursor.varint() === 0 ? 0 : 1 << (tag >>> 3);
    else cursor.skip(tag);
  }
  cursor.leave(outer);
  return bits === 0 ? undefined : { syn: (bits & syn) !== 0, ack: (bits & ack) !== 0, rst: (bits & rst) !== 0 };
}
