import type protobuf from 'protobufjs/minimal.js';

/** Methods of every Buffer that its types do not know: they cut out text without looking up an encoding first. */
export interface TextBuffer extends Buffer {
  latin1Slice(start: number, end: number): string;
  utf8Slice(start: number, end: number): string;
}

/**
 * Goes into a message within a message: the reader cannot leave it by mistake. Answers with where the outer one ends, for
 * `leave`. Throws RangeError when it is longer than the outer one.
 */
export function enter(reader: protobuf.Reader): number {
  const size = reader.uint32();
  const outer = reader.len;
  const end = reader.pos + size;
  if (end > outer) throw new RangeError(`a part of ${size} bytes ends outside of its message`);
  reader.len = end;
  return outer;
}

export function leave(reader: protobuf.Reader, outer: number): void {
  if (reader.pos !== reader.len) throw new RangeError('a part goes beyond its end');
  reader.len = outer;
}

/** Passes over a message within a message, or a text; it ends where the reader is then. Answers with its start. */
export function pass(reader: protobuf.Reader): number {
  const size = reader.uint32();
  const start = reader.pos;
  if (start + size > reader.len) throw new RangeError(`a part of ${size} bytes ends outside of its message`);
  reader.pos = start + size;
  return start;
}

/** Microseconds since 1970 of a `google.protobuf.Timestamp`. */
export function readTimestamp(reader: protobuf.Reader): number {
  const outer = enter(reader);
  let seconds = 0;
  let nanos = 0;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 0x08) seconds = readCount(reader);
    else if (tag === 0x10) nanos = reader.int32();
    else reader.skipType(tag & 7);
  }
  leave(reader, outer);
  return seconds * 1e6 + Math.floor(nanos / 1000);
}

/** A 64-bit integer as a number: exact up to 2^53, and of the right size beyond. Negative ones come out above 2^63. */
export function readCount(reader: protobuf.Reader): number {
  const { buf } = reader;
  let value = 0;
  let scale = 1;
  for (let i = 0; i < 10; i++) {
    const pos = reader.pos++;
    if (pos >= reader.len) throw new RangeError('a number ends outside of its message');
    const byte = buf[pos] as number;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
    scale *= 128;
  }
  throw new RangeError('a number of more than ten bytes');
}
