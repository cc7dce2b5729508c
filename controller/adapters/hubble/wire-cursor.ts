/** Methods of every Buffer that its types do not know: they cut out text without looking up an encoding first. */
interface TextBuffer extends Buffer {
  utf8Slice(start: number, end: number): string;
}

const noBytes = Buffer.alloc(0) as TextBuffer;
const deepestGroup = 100;

/**
 * A place in bytes of protobuf, within a message that ends at `end`. Made for reading a few fields out of very many
 * messages, one object for all of them: several times as fast as a reader for everything. Methods throw RangeError for what
 * is no protobuf, at the latest when the message's end is passed.
 */
export class WireCursor {
  bytes: Buffer = noBytes;
  pos = 0;
  end = 0;

  /** Goes to a part of the same bytes. */
  goTo(start: number, end: number): void {
    this.pos = start;
    this.end = end;
  }

  /** Whether there is another field; false exactly at the end. */
  get hasMore(): boolean {
    if (this.pos < this.end) return true;
    if (this.pos > this.end) throw new RangeError('a field goes beyond the end of its message');
    return false;
  }

  /** The lower 32 bits of a varint: a field's number and type, a length, a number, an enum. */
  varint(): number {
    const byte = this.bytes[this.pos++] as number;
    return byte < 0x80 ? byte : this.#longVarint(byte);
  }

  #longVarint(first: number): number {
    let value = first & 0x7f;
    for (let shift = 7; shift < 70; shift += 7) {
      const byte = this.bytes[this.pos++];
      if (byte === undefined || this.pos > this.end) break;
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new RangeError('a number that does not end');
  }

  /** A varint of 64 bits as a number: exact up to 2^53. Negative ones come out near 2^64. */
  count(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      const byte = this.bytes[this.pos++];
      if (byte === undefined || this.pos > this.end) break;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw new RangeError('a number that does not end');
  }

  double(): number {
    const at = this.pos;
    this.#advance(8);
    return this.bytes.readDoubleLE(at);
  }

  text(): string {
    const start = this.pass();
    return (this.bytes as TextBuffer).utf8Slice(start, this.pos);
  }

  /** Passes over what has a length before it. Answers with its start; it ends where the cursor is then. */
  pass(): number {
    const size = this.varint();
    const start = this.pos;
    this.#advance(size);
    return start;
  }

  /** Goes into a message within this one. Answers with the end of this one, for `leave`. */
  enter(): number {
    const start = this.pass();
    const outer = this.end;
    this.end = this.pos;
    this.pos = start;
    return outer;
  }

  leave(outer: number): void {
    this.end = outer;
  }

  /** Passes over a field that nobody wants. */
  skip(tag: number): void {
    this.#skip(tag, 0);
  }

  #skip(tag: number, depth: number): void {
    switch (tag & 7) {
      case 0:
        this.count();
        break;
      case 1:
        this.#advance(8);
        break;
      case 2:
        this.pass();
        break;
      case 3:
        for (let inner = this.varint(); (inner & 7) !== 4; inner = this.varint()) {
          if (depth > deepestGroup || !this.hasMore) throw new RangeError('a group that does not end');
          this.#skip(inner, depth + 1);
        }
        break;
      case 5:
        this.#advance(4);
        break;
      default:
        throw new RangeError(`a field of type ${tag & 7}, which there is not`);
    }
  }

  #advance(size: number): void {
    // also false for what was read behind the last byte
    if (!(this.pos + size <= this.end)) throw new RangeError(`a part of ${size} bytes ends outside of its message`);
    this.pos += size;
  }
}

/** Microseconds since 1970 of a `google.protobuf.Timestamp`. */
export function readTimestamp(cursor: WireCursor): number {
  const outer = cursor.enter();
  let seconds = 0;
  let nanos = 0;
  while (cursor.hasMore) {
    const tag = cursor.varint();
    if (tag === 0x08) seconds = cursor.count();
    else if (tag === 0x10) nanos = cursor.varint();
    else cursor.skip(tag);
  }
  cursor.leave(outer);
  return seconds * 1e6 + Math.floor(nanos / 1000);
}

/** Field 1 of a message within this one, where it is a number (an event's type, the value of a wrapper); 0 without. */
export function readFirstNumber(cursor: WireCursor): number {
  const outer = cursor.enter();
  let value = 0;
  while (cursor.hasMore) {
    const tag = cursor.varint();
    if (tag === 0x08) value = cursor.varint();
    else cursor.skip(tag);
  }
  cursor.leave(outer);
  return value;
}

/** From this length on the native comparison is quicker, although calling it costs as much as comparing so many bytes. */
const nativeLength = 48;

export function isSameBytes(bytes: Buffer, start: number, end: number, known: Buffer): boolean {
  const { length } = known;
  if (length !== end - start) return false;
  if (length >= nativeLength) return bytes.compare(known, 0, length, start, end) === 0;
  for (let i = 0; i < length; i++) if (bytes[start + i] !== known[i]) return false;
  return true;
}
