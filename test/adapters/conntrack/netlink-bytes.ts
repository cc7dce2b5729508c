/** Messages of the kernel's connection tracking as bytes, as a little-endian machine gets them. */

/** One attribute; with the bit for nested ones where it holds others. */
export function attribute(type: number, ...payload: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(payload);
  const head = Buffer.alloc(4);
  head.writeUInt16LE(4 + body.length, 0);
  head.writeUInt16LE(type, 2);
  return padded(Buffer.concat([head, body]));
}

export function nested(type: number, ...inner: readonly Uint8Array[]): Buffer {
  return attribute(type | 0x8000, ...inner);
}

/** In the order of the network. */
export function number(bytes: 1 | 2 | 4 | 8, value: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  if (bytes === 8) buffer.writeBigUInt64BE(BigInt(value));
  else buffer.writeUIntBE(value, 0, bytes);
  return buffer;
}

export function message(type: number, flags: number, ...attributes: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat([Buffer.from([2, 0, 0, 0]), ...attributes]);
  const head = Buffer.alloc(16);
  head.writeUInt32LE(16 + body.length, 0);
  head.writeUInt16LE(type, 4);
  head.writeUInt16LE(flags, 6);
  return Buffer.concat([head, body]);
}

export interface TupleBytes {
  readonly source: readonly number[];
  readonly destination: readonly number[];
  readonly protocol: number;
  /** Attributes of the protocol beside its number, by their type: ports, or what ICMP has. */
  readonly parts: readonly (readonly [type: number, bytes: 1 | 2, value: number])[];
  readonly zone?: number;
}

/** `type` 1 for the original direction, 2 for the reply. */
export function tuple(type: 1 | 2, { source, destination, protocol, parts, zone }: TupleBytes): Buffer {
  const first = source.length === 4 ? 1 : 3;
  return nested(
    type,
    nested(1, attribute(first, Buffer.from(source)), attribute(first + 1, Buffer.from(destination))),
    nested(
      2,
      attribute(1, number(1, protocol)),
      ...parts.map(([part, size, value]) => attribute(part, number(size, value))),
    ),
    ...(zone === undefined ? [] : [attribute(3, number(2, zone))]),
  );
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}
