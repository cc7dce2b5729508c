import { Reader, Writer } from 'protobufjs/minimal.js';
import type { CounterPoint, CounterPoints, CounterWish } from './counter-point.ts';
import { PushRefusal } from './push-refusal.ts';

const fixed32Radix = 0x1_0000_0000;
const wireType = { startGroup: 3, endGroup: 4 } as const;
const temporalities = [undefined, 'delta', 'cumulative'] as const;

/**
 * Reads an ExportMetricsServiceRequest (opentelemetry-proto, metrics/v1, fields by number); all that is not needed is
 * skipped. Throws PushRefusal for what is no such message, and for too many points.
 */
export function decodeMetrics(body: Uint8Array, wish: CounterWish): CounterPoints {
  const reading = new Reading(wish);
  try {
    reading.read(body);
  } catch (error) {
    if (error instanceof PushRefusal) throw error;
    throw new PushRefusal(
      'Malformed',
      `the body is no ExportMetricsServiceRequest in protobuf: ${(error as Error).message}`,
    );
  }
  return reading;
}

/** An ExportMetricsServiceResponse; empty when nothing was rejected. */
export function encodeExportResponse(rejectedPoints: number, message: string): Uint8Array {
  const writer = Writer.create();
  if (rejectedPoints > 0) {
    writer.uint32(tag(1, 2)).fork().uint32(tag(1, 0)).int64(rejectedPoints).uint32(tag(2, 2)).string(message).ldelim();
  }
  return writer.finish();
}

/** A google.rpc.Status. */
export function encodeStatus(code: number, message: string): Uint8Array {
  return Writer.create().uint32(tag(1, 0)).int32(code).uint32(tag(2, 2)).string(message).finish();
}

function tag(field: number, wire: number): number {
  return (field << 3) | wire;
}

class Reading implements CounterPoints {
  readonly points: CounterPoint[] = [];
  otherMetrics = 0;
  unusable = 0;
  readonly #wish: CounterWish;

  constructor(wish: CounterWish) {
    this.#wish = wish;
  }

  read(body: Uint8Array): void {
    eachField(body, (field, reader) => {
      if (field !== 1) return false;
      this.#resourceMetrics(reader.bytes());
      return true;
    });
  }

  #resourceMetrics(message: Uint8Array): void {
    const resource = new Map<string, string>();
    const scopes: Uint8Array[] = [];
    eachField(message, (field, reader) => {
      if (field === 1) readResource(reader.bytes(), resource);
      else if (field === 2) scopes.push(reader.bytes());
      else return false;
      return true;
    });
    for (const scope of scopes) {
      eachField(scope, (field, reader) => {
        if (field !== 2) return false;
        this.#metric(reader.bytes(), resource);
        return true;
      });
    }
  }

  #metric(message: Uint8Array, resource: ReadonlyMap<string, string>): void {
    let name = '';
    let sum: Uint8Array | undefined;
    let others = 0;
    eachField(message, (field, reader) => {
      if (field === 1) name = reader.string();
      else if (field === 7) sum = reader.bytes();
      else {
        // gauge, histogram, exponential histogram, summary
        if (field === 5 || field >= 9) others++;
        return false;
      }
      return true;
    });
    if (!this.#wish.wants(name)) this.otherMetrics++;
    else if (sum === undefined) this.unusable += others;
    else this.#sum(name, sum, resource);
  }

  #sum(metric: string, message: Uint8Array, resource: ReadonlyMap<string, string>): void {
    const points: Uint8Array[] = [];
    let temporality = 0;
    let monotonic = false;
    eachField(message, (field, reader) => {
      if (field === 1) points.push(reader.bytes());
      else if (field === 2) temporality = reader.int32();
      else if (field === 3) monotonic = reader.bool();
      else return false;
      return true;
    });
    const known = temporalities[temporality];
    if (known === undefined || !monotonic) {
      this.unusable += points.length;
      return;
    }
    for (const point of points) this.#point({ metric, temporality: known, resource }, point);
  }

  #point(of: Pick<CounterPoint, 'metric' | 'temporality' | 'resource'>, message: Uint8Array): void {
    const attributes = new Map<string, string>();
    let [startMs, timeMs, value, isRecorded] = [0, 0, 0, true];
    eachField(message, (field, reader) => {
      if (field === 2) startMs = nanosToMs(reader);
      else if (field === 3) timeMs = nanosToMs(reader);
      else if (field === 4) value = reader.double();
      else if (field === 6) value = reader.fixed32() + reader.sfixed32() * fixed32Radix;
      else if (field === 7) readKeyValue(reader.bytes(), attributes);
      else if (field === 8) isRecorded = (reader.uint32() & 1) === 0;
      else return false;
      return true;
    });
    if (!isRecorded) return;
    if (this.points.length >= this.#wish.mostPoints) {
      throw new PushRefusal('TooLarge', `more than ${this.#wish.mostPoints} data points: send smaller batches`);
    }
    this.points.push({ ...of, startMs, timeMs, value, attributes });
  }
}

/** Calls `read` for each field; false: it read nothing, and the field is skipped. */
function eachField(message: Uint8Array, read: (field: number, reader: Reader) => boolean): void {
  const reader = Reader.create(message);
  while (reader.pos < reader.len) {
    const key = reader.uint32();
    const wire = key & 7;
    // groups can be nested as deep as a body is long, and OTLP has none
    if (wire === wireType.startGroup || wire === wireType.endGroup) throw new Error(`a group at byte ${reader.pos}`);
    if (!read(key >>> 3, reader)) reader.skipType(wire);
  }
}

function readResource(message: Uint8Array, attributes: Map<string, string>): void {
  eachField(message, (field, reader) => {
    if (field !== 1) return false;
    readKeyValue(reader.bytes(), attributes);
    return true;
  });
}

function readKeyValue(message: Uint8Array, attributes: Map<string, string>): void {
  let key = '';
  let value: string | undefined;
  eachField(message, (field, reader) => {
    if (field === 1) key = reader.string();
    else if (field === 2) value = scalar(reader.bytes());
    else return false;
    return true;
  });
  if (key !== '' && value !== undefined) attributes.set(key, value);
}

function scalar(message: Uint8Array): string | undefined {
  let value: string | undefined;
  eachField(message, (field, reader) => {
    if (field === 1) value = reader.string();
    else if (field === 2) value = String(reader.bool());
    else if (field === 3) value = String(numberOf(reader.int64()));
    else if (field === 4) value = String(reader.double());
    else return false;
    return true;
  });
  return value;
}

/** The library gives what it can of 64 bits as an object of its own. */
function numberOf(integer: number | { readonly low: number; readonly high: number }): number {
  return typeof integer === 'number' ? integer : integer.high * fixed32Radix + (integer.low >>> 0);
}

/** The number has less than a microsecond of error, so that whole milliseconds stay what they are. */
function nanosToMs(reader: Reader): number {
  const low = reader.fixed32();
  return Math.round((reader.fixed32() * fixed32Radix + low) / 1_000_000);
}
