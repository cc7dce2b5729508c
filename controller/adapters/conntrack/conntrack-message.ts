import { formatIp } from '../../model/cidr.ts';
import { protocolNumber } from '../../model/protocol.ts';
import { UnusableRecord } from '../flow-file/unusable-record.ts';
import { type ConntrackEntry, type ConntrackTuple, protocolsWithPorts } from './conntrack-entry.ts';
import { hostUint16, type NetlinkMessage } from './netlink-message.ts';

/** A message of the kernel's connection tracking. */
export interface ConntrackMessage {
  readonly entry: ConntrackEntry;
  /** Seconds until the kernel forgets the entry, if no packet comes; undefined on events about its end. */
  readonly timeoutSeconds: number | undefined;
}

/** linux/netfilter/nfnetlink_conntrack.h */
const attribute = {
  original: 1,
  reply: 2,
  status: 3,
  protocolInfo: 4,
  timeout: 7,
  countersOriginal: 9,
  countersReply: 10,
  id: 12,
  zone: 18,
} as const;
const tupleAttribute = { ip: 1, protocol: 2, zone: 3 } as const;
const seenReply = 1 << 1;
/**
 * linux/netfilter/nf_conntrack_tcp.h, of the original side. Window scaling is known from its SYN alone; liberal is what the
 * kernel is with connections that it picked up in the middle.
 */
const tcpFlag = { windowScale: 0x01, liberal: 0x08 } as const;
const tcpAttribute = { info: 1, flagsOriginal: 4 } as const;
const createdFlags = 0x400 | 0x200;

const tcpStates = [
  'NONE',
  'SYN_SENT',
  'SYN_RECV',
  'ESTABLISHED',
  'FIN_WAIT',
  'CLOSE_WAIT',
  'LAST_ACK',
  'TIME_WAIT',
  'CLOSE',
  'SYN_SENT2',
];
const dccpStates = ['NONE', 'REQUEST', 'RESPOND', 'PARTOPEN', 'OPEN', 'CLOSEREQ', 'CLOSING', 'TIMEWAIT'];
const sctpStates = [
  'NONE',
  'CLOSED',
  'COOKIE_WAIT',
  'COOKIE_ECHOED',
  'ESTABLISHED',
  'SHUTDOWN_SENT',
  'SHUTDOWN_RECD',
  'SHUTDOWN_ACK_SENT',
  'HEARTBEAT_SENT',
];
/** By the number of the nested attribute that holds it. */
const statesOf: readonly (readonly string[] | undefined)[] = [undefined, tcpStates, dccpStates, sctpStates];

/** What the messages of connection tracking are called: subsystem 1, new or delete. */
const entryType = { new: 1 << 8, delete: (1 << 8) | 2 } as const;

/**
 * Reads one message about an entry; undefined for messages about other things. `fromTable`: it answers a question for the
 * table, and is no event. Throws UnusableRecord.
 */
export function parseConntrackMessage(
  bytes: Uint8Array,
  message: NetlinkMessage,
  fromTable: boolean,
): ConntrackMessage | undefined {
  const event = eventOf(message, fromTable);
  if (event === undefined) return undefined;
  // nfgenmsg: family, version, resource
  const fields = attributes(bytes, message.start + 4, message.end);
  const original = fields.get(attribute.original);
  const reply = fields.get(attribute.reply);
  const status = fields.get(attribute.status);
  if (original === undefined || reply === undefined) throw new UnusableRecord('expected two tuples');
  if (status === undefined) throw new UnusableRecord('no status');
  const first = tupleOf(bytes, original);
  const second = tupleOf(bytes, reply);
  if (first.protocol !== second.protocol) throw new UnusableRecord('tuples of two protocols');
  const timeout = fields.get(attribute.timeout);
  const zone = `${first.zone}${second.zone}${number(bytes, fields.get(attribute.zone), 2) ?? ''}`;
  const id = number(bytes, fields.get(attribute.id), 4) ?? '';
  return {
    entry: {
      event,
      timeMs: undefined,
      protocol: first.protocol,
      state: stateOf(bytes, fields.get(attribute.protocolInfo)),
      original: { ...first.tuple, bytes: bytesCounted(bytes, fields.get(attribute.countersOriginal)) },
      reply: { ...second.tuple, bytes: bytesCounted(bytes, fields.get(attribute.countersReply)) },
      unreplied: ((number(bytes, status, 4) ?? 0) & seenReply) === 0,
      ...(sawOpening(bytes, fields.get(attribute.protocolInfo)) ? { sawOpening: true } : {}),
      key: `${id} ${first.key} ${zone}`,
    },
    timeoutSeconds: number(bytes, timeout, 4),
  };
}

function eventOf({ type, flags }: NetlinkMessage, fromTable: boolean): ConntrackEntry['event'] | undefined {
  switch (type) {
    case entryType.new:
      if (fromTable) return 'snapshot';
      return (flags & createdFlags) === 0 ? 'update' : 'new';
    case entryType.delete:
      return 'destroy';
    default:
      return undefined;
  }
}

/** Where the payload of an attribute stands. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/** The highest attribute number that has a meaning for us; those beyond are not looked at. */
const highestAttribute = 31;
/** Bit 15 says that attributes are nested in it, bit 14 that it is in network byte order. */
const typeMask = 0x3fff;

/** linux/netlink.h: length with its own 4 bytes, type, payload, padded to 4. The last of a number counts. */
function attributes(bytes: Uint8Array, start: number, end: number): Attributes {
  const found = new Attributes();
  let at = start;
  while (at < end) {
    const length = at + 4 <= end ? hostUint16(bytes, at) : 0;
    if (length < 4 || at + length > end) throw new UnusableRecord('an attribute does not fit into its message');
    const type = hostUint16(bytes, at + 2) & typeMask;
    if (type <= highestAttribute) found.set(type, at + 4, at + length);
    at += (length + 3) & ~3;
  }
  return found;
}

class Attributes {
  readonly #spans: (Span | undefined)[] = [];

  set(type: number, start: number, end: number): void {
    this.#spans[type] = { start, end };
  }

  get(type: number): Span | undefined {
    return this.#spans[type];
  }
}

/** An unsigned integer in network byte order, undefined where it is missing. Throws UnusableRecord for another length. */
function number(bytes: Uint8Array, span: Span | undefined, length: 1 | 2 | 4 | 8): number | undefined {
  if (span === undefined) return undefined;
  if (span.end - span.start !== length) {
    throw new UnusableRecord(`expected a number of ${length} bytes, got ${span.end - span.start}`);
  }
  let value = 0;
  for (let at = span.start; at < span.end; at++) value = value * 256 + (bytes[at] as number);
  return value;
}

interface ReadTuple {
  readonly protocol: number;
  readonly tuple: Omit<ConntrackTuple, 'bytes'>;
  readonly zone: string;
  /** Tells it from other tuples. */
  readonly key: string;
}

function tupleOf(bytes: Uint8Array, span: Span): ReadTuple {
  const fields = attributes(bytes, span.start, span.end);
  const ip = fields.get(tupleAttribute.ip);
  const inner = fields.get(tupleAttribute.protocol);
  if (ip === undefined || inner === undefined) throw new UnusableRecord('a tuple without addresses or protocol');
  const addresses = attributes(bytes, ip.start, ip.end);
  const version6 = addresses.get(3) !== undefined;
  const source = addressOf(bytes, addresses.get(version6 ? 3 : 1), version6);
  const destination = addressOf(bytes, addresses.get(version6 ? 4 : 2), version6);

  const parts = attributes(bytes, inner.start, inner.end);
  const protocol = number(bytes, parts.get(1), 1);
  if (protocol === undefined) throw new UnusableRecord('a tuple without a protocol');
  const sourcePort = number(bytes, parts.get(2), 2);
  const destinationPort = number(bytes, parts.get(3), 2);
  if (protocolsWithPorts.has(protocol) && (sourcePort === undefined || destinationPort === undefined)) {
    throw new UnusableRecord('a tuple without ports');
  }
  const zone = number(bytes, fields.get(tupleAttribute.zone), 2);
  return {
    protocol,
    tuple: { source, destination, sourcePort: sourcePort ?? 0, destinationPort: destinationPort ?? 0 },
    zone: zone === undefined ? '' : `${zone}/`,
    key: `${protocol} ${source} ${destination} ${sourcePort ?? ''} ${destinationPort ?? ''}${icmpKey(bytes, protocol, parts)}`,
  };
}

/** Type, code and identifier, which take the place of ports. */
function icmpKey(bytes: Uint8Array, protocol: number, parts: Attributes): string {
  switch (protocol) {
    case protocolNumber.ICMP:
      return ` ${number(bytes, parts.get(5), 1)} ${number(bytes, parts.get(6), 1)} ${number(bytes, parts.get(4), 2)}`;
    case protocolNumber.ICMPv6:
      return ` ${number(bytes, parts.get(8), 1)} ${number(bytes, parts.get(9), 1)} ${number(bytes, parts.get(7), 2)}`;
    default:
      return '';
  }
}

function addressOf(bytes: Uint8Array, span: Span | undefined, version6: boolean): string {
  const length = version6 ? 16 : 4;
  if (span === undefined || span.end - span.start !== length) {
    throw new UnusableRecord('a tuple without two addresses of one family');
  }
  const { start } = span;
  return version6
    ? formatIp({ family: 6, value: big(bytes, start, start + 16) })
    : `${bytes[start]}.${bytes[start + 1]}.${bytes[start + 2]}.${bytes[start + 3]}`;
}

function big(bytes: Uint8Array, start: number, end: number): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, end - start);
  return (view.getBigUint64(0) << 64n) | view.getBigUint64(8);
}

/** The state's name as conntrack prints it; undefined where there is none, or one that this version does not know. */
function stateOf(bytes: Uint8Array, span: Span | undefined): string | undefined {
  if (span === undefined) return undefined;
  const fields = attributes(bytes, span.start, span.end);
  for (const [type, names] of statesOf.entries()) {
    const inner = names === undefined ? undefined : fields.get(type);
    if (inner === undefined) continue;
    const state = number(bytes, attributes(bytes, inner.start, inner.end).get(1), 1);
    return state === undefined ? undefined : names?.[state];
  }
  return undefined;
}

function sawOpening(bytes: Uint8Array, span: Span | undefined): boolean {
  const tcp = span && attributes(bytes, span.start, span.end).get(tcpAttribute.info);
  const flags = tcp && attributes(bytes, tcp.start, tcp.end).get(tcpAttribute.flagsOriginal);
  // the flags, and which of them count
  const [set = 0] = flags === undefined || flags.end - flags.start !== 2 ? [] : bytes.subarray(flags.start, flags.end);
  return (set & tcpFlag.windowScale) !== 0 && (set & tcpFlag.liberal) === 0;
}

function bytesCounted(bytes: Uint8Array, span: Span | undefined): number {
  if (span === undefined) return -1;
  const count = number(bytes, attributes(bytes, span.start, span.end).get(2), 8);
  return count === undefined ? -1 : Math.min(count, Number.MAX_SAFE_INTEGER);
}
