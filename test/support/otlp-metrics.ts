import { Writer } from 'protobufjs/minimal.js';

/** One data point of a sum, as an exporter has it. */
export interface SentPoint {
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  readonly startMs?: number;
  readonly timeMs: number;
  readonly value: number;
  readonly flags?: number;
}

export interface SentMetric {
  readonly name: string;
  /** 1: delta, 2: cumulative. */
  readonly temporality?: number;
  readonly monotonic?: boolean;
  readonly resource?: Readonly<Record<string, string>>;
  readonly points: readonly SentPoint[];
}

/** ExportMetricsServiceRequest as JSON, by the rules of OTLP/HTTP: 64-bit integers as text. */
export function otlpJson(metrics: readonly SentMetric[]): string {
  return JSON.stringify({
    resourceMetrics: metrics.map(({ name, resource = {}, points, temporality = 2, monotonic = true }) => ({
      resource: { attributes: keyValues(resource), droppedAttributesCount: 0 },
      scopeMetrics: [
        {
          scope: { name: 'network_ebpf_events' },
          metrics: [
            {
              name,
              unit: '{bytes}',
              sum: {
                aggregationTemporality: temporality,
                isMonotonic: monotonic,
                dataPoints: points.map(({ attributes, startMs = 0, timeMs, value, flags }) => ({
                  attributes: keyValues(attributes),
                  startTimeUnixNano: `${startMs}000000`,
                  timeUnixNano: `${timeMs}000000`,
                  asInt: String(value),
                  flags,
                })),
              },
            },
          ],
        },
      ],
    })),
  });
}

function keyValues(attributes: SentPoint['attributes']): object[] {
  return Object.entries(attributes).map(([key, value]) => {
    if (typeof value === 'string') return { key, value: { stringValue: value } };
    return { key, value: typeof value === 'number' ? { intValue: String(value) } : { boolValue: value } };
  });
}

/** The same in protobuf (opentelemetry-proto, metrics/v1). */
export function otlpProtobuf(metrics: readonly SentMetric[]): Uint8Array {
  const request = Writer.create();
  for (const { name, resource = {}, points, temporality = 2, monotonic = true } of metrics) {
    const attributes = Writer.create();
    for (const [key, value] of Object.entries(resource)) nested(attributes, 1, keyValue(key, value));
    const sum = Writer.create();
    for (const point of points) nested(sum, 1, numberPoint(point));
    sum.uint32(tag(2, 0)).int32(temporality).uint32(tag(3, 0)).bool(monotonic);
    const metric = Writer.create().uint32(tag(1, 2)).string(name).uint32(tag(3, 2)).string('{bytes}');
    nested(metric, 7, sum);
    const scope = Writer.create().uint32(tag(1, 2)).string('network_ebpf_events');
    const scopeMetrics = Writer.create();
    nested(scopeMetrics, 1, scope);
    nested(scopeMetrics, 2, metric);
    const resourceMetrics = Writer.create();
    nested(resourceMetrics, 1, attributes);
    nested(resourceMetrics, 2, scopeMetrics);
    nested(request, 1, resourceMetrics);
  }
  return request.finish();
}

function numberPoint({ attributes, startMs = 0, timeMs, value, flags = 0 }: SentPoint): Writer {
  const point = Writer.create();
  fixed64(point, 2, BigInt(startMs) * 1_000_000n);
  fixed64(point, 3, BigInt(timeMs) * 1_000_000n);
  fixed64(point, 6, BigInt.asUintN(64, BigInt(value)));
  for (const [key, one] of Object.entries(attributes)) nested(point, 7, keyValue(key, one));
  return point.uint32(tag(8, 0)).uint32(flags);
}

function keyValue(key: string, value: string | number | boolean): Writer {
  const any = Writer.create();
  if (typeof value === 'string') any.uint32(tag(1, 2)).string(value);
  else if (typeof value === 'boolean') any.uint32(tag(2, 0)).bool(value);
  else any.uint32(tag(3, 0)).int64(value);
  const pair = Writer.create().uint32(tag(1, 2)).string(key);
  nested(pair, 2, any);
  return pair;
}

function fixed64(writer: Writer, field: number, value: bigint): void {
  writer
    .uint32(tag(field, 1))
    .fixed32(Number(value & 0xffff_ffffn))
    .fixed32(Number(value >> 32n));
}

function nested(writer: Writer, field: number, message: Writer): void {
  writer.uint32(tag(field, 2)).bytes(message.finish());
}

function tag(field: number, wire: number): number {
  return ((field << 3) | wire) >>> 0;
}
