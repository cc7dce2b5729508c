import { endianness } from 'node:os';

/** Netlink headers are in the byte order of the machine; what the attributes of conntrack hold is in that of the network. */
const little = endianness() === 'LE';

export function hostUint16(bytes: Uint8Array, at: number): number {
  const [first, second] = [bytes[at] as number, bytes[at + 1] as number];
  return little ? first | (second << 8) : (first << 8) | second;
}

export function hostUint32(bytes: Uint8Array, at: number): number {
  const low = hostUint16(bytes, little ? at : at + 2);
  const high = hostUint16(bytes, little ? at + 2 : at);
  return high * 0x1_0000 + low;
}

export function setHostUint16(bytes: Uint8Array, at: number, value: number): void {
  bytes[little ? at : at + 1] = value & 0xff;
  bytes[little ? at + 1 : at] = value >>> 8;
}

export function setHostUint32(bytes: Uint8Array, at: number, value: number): void {
  setHostUint16(bytes, little ? at : at + 2, value & 0xffff);
  setHostUint16(bytes, little ? at + 2 : at, value >>> 16);
}

/** One message inside of what was received: its header's fields, and where its payload stands. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly start: number;
  readonly end: number;
}

/** Types that every netlink family has (linux/netlink.h). */
export const messageType = { error: 2, done: 3, overrun: 4 } as const;

const headerLength = 16;

/**
 * The messages in what was received (linux/netlink.h: length, type, flags, sequence, port; padded to 4 bytes). Undefined
 * in place of a message that does not fit into its frame, and nothing after it.
 */
export function* netlinkMessages(bytes: Uint8Array): Generator<NetlinkMessage | undefined> {
  for (let at = 0; at < bytes.length; ) {
    const length = at + headerLength <= bytes.length ? hostUint32(bytes, at) : 0;
    if (length < headerLength || at + length > bytes.length) {
      yield undefined;
      return;
    }
    yield {
      type: hostUint16(bytes, at + 4),
      flags: hostUint16(bytes, at + 6),
      sequence: hostUint32(bytes, at + 8),
      start: at + headerLength,
      end: at + length,
    };
    at += (length + 3) & ~3;
  }
}

/** Asks for all of the kernel's table (NLM_F_REQUEST and NLM_F_DUMP) of both families. */
export function tableRequest(sequence: number): Uint8Array {
  const request = new Uint8Array(headerLength + 4);
  setHostUint32(request, 0, request.length);
  setHostUint16(request, 4, (1 << 8) | 1);
  setHostUint16(request, 6, 0x1 | 0x300);
  setHostUint32(request, 8, sequence);
  return request;
}

/** The error number of an error message, 0 for an acknowledgement. */
export function errorNumber(bytes: Uint8Array, { start, end }: NetlinkMessage): number {
  return end - start < 4 ? 0 : -(hostUint32(bytes, start) | 0);
}
