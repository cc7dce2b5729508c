import { createHash } from 'node:crypto';
import { Reader, Writer } from 'protobufjs/minimal.js';
import type { JsonObject } from '../flow-file/json-record.ts';

// Field numbers of goldmane.proto of Calico 3.30 and later.

/** Times are in seconds since 1970; `untilS` is not part of the range. */
export interface ListRequest {
  readonly fromS: number;
  readonly untilS: number;
  readonly page: number;
  readonly pageSize: number;
}

export const bucketS = 15;

/** All buckets from this one on, in their order, and each new one when it is complete; 0: only new ones. */
export function encodeStreamRequest(fromS: number): Buffer {
  return bytesOf(Writer.create().uint32(tag(1)).int64(fromS).uint32(tag(3)).int64(bucketS));
}

export function encodeListRequest({ fromS, untilS, page, pageSize }: ListRequest): Buffer {
  const range = Writer.create().uint32(tag(1)).int64(fromS).uint32(tag(2)).int64(untilS);
  return bytesOf(range.uint32(tag(3)).int64(page).uint32(tag(4)).int64(pageSize).uint32(tag(7)).int64(bucketS));
}

export interface ListPage {
  readonly totalPages: number;
  /** FlowResults, not decoded. */
  readonly results: readonly Uint8Array[];
}

/** Throws where the bytes are no message. */
export function decodeListResult(bytes: Uint8Array): ListPage {
  let totalPages = 0;
  const results: Uint8Array[] = [];
  eachField(Reader.create(bytes), bytes.length, (field, reader) => {
    if (field === 1) {
      eachField(reader, reader.uint32() + reader.pos, (inner) => {
        if (inner !== 1) return false;
        totalPages = integer(reader);
        return true;
      });
    } else if (field === 2) results.push(reader.bytes());
    else return false;
    return true;
  });
  return { totalPages, results };
}

export interface FlowResult {
  /** The beginning of its bucket, in seconds since 1970; undefined where it has none. */
  readonly startS: number | undefined;
  /** The same for every result of one key in one bucket. */
  readonly digest: string;
  /** The flow with its key's fields among its own, named as in protojson, enums and 64-bit integers as numbers. */
  readonly fields: JsonObject;
}

/** Throws where the bytes are no message. */
export function decodeFlowResult(bytes: Uint8Array): FlowResult {
  const fields: Record<string, unknown> = {};
  let key: Uint8Array = new Uint8Array();
  eachField(Reader.create(bytes), bytes.length, (field, reader) => {
    if (field !== 2) return false;
    key = decodeFlow(reader, fields);
    return true;
  });
  const start = fields['start_time'];
  const digest = createHash('sha1').update(key).update(String(start)).digest('base64url').slice(0, 10);
  return { startS: typeof start === 'number' ? start : undefined, digest, fields };
}

const flowIntegers: Readonly<Record<number, string>> = {
  2: 'start_time',
  3: 'end_time',
  6: 'packets_in',
  7: 'packets_out',
  8: 'bytes_in',
  9: 'bytes_out',
  10: 'num_connections_started',
  12: 'num_connections_live',
};
const flowLists: Readonly<Record<number, string>> = { 4: 'source_labels', 5: 'dest_labels' };
const keyTexts: Readonly<Record<number, string>> = {
  1: 'source_name',
  2: 'source_namespace',
  4: 'dest_name',
  5: 'dest_namespace',
  8: 'dest_service_name',
  9: 'dest_service_namespace',
  12: 'proto',
};
const keyIntegers: Readonly<Record<number, string>> = {
  3: 'source_type',
  6: 'dest_type',
  7: 'dest_port',
  13: 'reporter',
  14: 'action',
};

/** Fills in the fields; answers with the bytes of the key. */
function decodeFlow(reader: Reader, fields: Record<string, unknown>): Uint8Array {
  let key: Uint8Array = new Uint8Array();
  eachField(reader, reader.uint32() + reader.pos, (field) => {
    const name = flowIntegers[field];
    const list = flowLists[field];
    if (name !== undefined) fields[name] = integer(reader);
    else if (list !== undefined) fields[list] = [...((fields[list] as string[] | undefined) ?? []), reader.string()];
    else if (field === 1) {
      key = reader.bytes();
      decodeKey(Reader.create(key), key.length, fields);
    } else return false;
    return true;
  });
  return key;
}

function decodeKey(reader: Reader, end: number, fields: Record<string, unknown>): void {
  eachField(reader, end, (field) => {
    const text = keyTexts[field];
    const name = keyIntegers[field];
    if (text !== undefined) fields[text] = reader.string();
    else if (name !== undefined) fields[name] = integer(reader);
    else if (field === 15) fields['policies'] = { pending_policies: pendingActions(reader) };
    else return false;
    return true;
  });
}

/** Of the trace of policies that would be in force with the staged ones, what each of them says. */
function pendingActions(reader: Reader): { readonly action: number }[] {
  const hits: { action: number }[] = [];
  eachField(reader, reader.uint32() + reader.pos, (field) => {
    if (field !== 2) return false;
    const hit = { action: 0 };
    eachField(reader, reader.uint32() + reader.pos, (inner) => {
      if (inner !== 5) return false;
      hit.action = integer(reader);
      return true;
    });
    hits.push(hit);
    return true;
  });
  return hits;
}

/** `read` answers whether it took the field; what it does not know is passed over. */
function eachField(reader: Reader, end: number, read: (field: number, reader: Reader) => boolean): void {
  if (end > reader.len) throw new RangeError(`a part is longer than the message: ${end} of ${reader.len} bytes`);
  while (reader.pos < end) {
    const key = reader.uint32();
    if (!read(key >>> 3, reader)) reader.skipType(key & 7);
  }
  if (reader.pos > end) throw new RangeError('a field is longer than the part that it is in');
}

function integer(reader: Reader): number {
  const value = reader.int64();
  return typeof value === 'number' ? value : value.high * 2 ** 32 + (value.low >>> 0);
}

/** Of a varint field. */
function tag(field: number): number {
  return field << 3;
}

function bytesOf(writer: Writer): Buffer {
  return Buffer.from(writer.finish());
}
