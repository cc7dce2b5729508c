import { z } from 'zod';
import { defaultFlowLimits } from '../flow-file/flow-limits.ts';
import { parseJson } from '../flow-file/json-record.ts';
import { UnusableRecord } from '../flow-file/unusable-record.ts';
import type { CounterPoint, CounterPoints, CounterWish } from './counter-point.ts';
import { PushRefusal } from './push-refusal.ts';

/** 64-bit integers are text or numbers. */
const integer = z.union([z.string().regex(/^-?\d{1,20}$/), z.number()]).transform(Number);
const keyValue = z.object({
  key: z.string().default(''),
  value: z
    .object({
      stringValue: z.string().optional(),
      boolValue: z.boolean().optional(),
      intValue: integer.optional(),
      doubleValue: z.number().optional(),
    })
    .optional(),
});
const point = z.object({
  startTimeUnixNano: integer.default(0),
  timeUnixNano: integer.default(0),
  asInt: integer.optional(),
  asDouble: z.number().optional(),
  attributes: z.array(keyValue).default([]),
  flags: z.number().default(0),
});
const otherData = z.object({ dataPoints: z.array(z.unknown()).default([]) });
const metric = z.object({ name: z.string().default(''), sum: z.unknown(), gauge: otherData.optional() });
const sum = z.object({
  dataPoints: z.array(point).default([]),
  aggregationTemporality: z.int().default(0),
  isMonotonic: z.boolean().default(false),
});
const request = z.object({
  resourceMetrics: z
    .array(
      z.object({
        resource: z.object({ attributes: z.array(keyValue).default([]) }).default({ attributes: [] }),
        scopeMetrics: z.array(z.object({ metrics: z.array(metric).default([]) })).default([]),
      }),
    )
    .default([]),
});

const temporalities = [undefined, 'delta', 'cumulative'] as const;

/**
 * Reads an ExportMetricsServiceRequest as JSON (lowerCamelCase keys, enums as numbers; unknown keys are ignored). Throws
 * PushRefusal for what is none, and for too many points.
 */
export function parseMetrics(text: string, wish: CounterWish): CounterPoints {
  const { resourceMetrics } = parsed(request, jsonOf(text));
  const points: CounterPoint[] = [];
  let [otherMetrics, unusable] = [0, 0];
  for (const { resource, scopeMetrics } of resourceMetrics) {
    const own = textsOf(resource.attributes);
    for (const { name, sum: data, gauge } of scopeMetrics.flatMap(({ metrics }) => metrics)) {
      if (!wish.wants(name)) otherMetrics++;
      else if (data === undefined) unusable += gauge?.dataPoints.length ?? 0;
      else {
        const { dataPoints, aggregationTemporality, isMonotonic } = parsed(sum, data);
        const temporality = temporalities[aggregationTemporality];
        if (temporality === undefined || !isMonotonic) unusable += dataPoints.length;
        else points.push(...dataPoints.flatMap((one) => pointOf(one, { metric: name, temporality, resource: own })));
      }
      if (points.length > wish.mostPoints) {
        throw new PushRefusal('TooLarge', `more than ${wish.mostPoints} data points: send smaller batches`);
      }
    }
  }
  return { points, otherMetrics, unusable };
}

function pointOf(
  { startTimeUnixNano, timeUnixNano, asInt, asDouble, attributes, flags }: z.infer<typeof point>,
  of: Pick<CounterPoint, 'metric' | 'temporality' | 'resource'>,
): CounterPoint[] {
  if ((flags & 1) === 1) return [];
  const [startMs, timeMs] = [Math.round(startTimeUnixNano / 1_000_000), Math.round(timeUnixNano / 1_000_000)];
  return [{ ...of, startMs, timeMs, value: asInt ?? asDouble ?? 0, attributes: textsOf(attributes) }];
}

function textsOf(attributes: readonly z.infer<typeof keyValue>[]): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const { key, value } of attributes) {
    const scalar = value?.stringValue ?? value?.boolValue ?? value?.intValue ?? value?.doubleValue;
    if (key !== '' && scalar !== undefined) texts.set(key, String(scalar));
  }
  return texts;
}

function jsonOf(text: string): unknown {
  try {
    return parseJson(text, defaultFlowLimits);
  } catch (error) {
    if (!(error instanceof UnusableRecord)) throw error;
    throw new PushRefusal('Malformed', `the body cannot be used: ${error.message}`);
  }
}

function parsed<Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> {
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  const [issue] = error.issues;
  const where = issue?.path.join('.') ?? '';
  throw new PushRefusal('Malformed', `the body is no ExportMetricsServiceRequest in JSON: ${where}: ${issue?.message}`);
}
