import { Counter, Gauge, type Registry } from 'prom-client';
import type { PushFigures } from '../flow-push/push-figures.ts';
import { pushRefusalCodes } from '../flow-push/push-refusal.ts';

/** What Prometheus is told of the push endpoint. Who pushes is no label: there may be thousands of them. */
export function pushMetrics(registry: Registry): PushFigures {
  const registers = [registry];
  const counter = (name: string, help: string, labelNames: readonly string[] = []) =>
    new Counter({ name, help, labelNames: [...labelNames], registers });
  const batches = counter('nanoseg_push_batches_total', 'Batches that were read, by path', ['path']);
  const repeated = counter('nanoseg_push_batches_repeated_total', 'Batches that came again and were not counted again');
  const records = counter('nanoseg_push_records_total', 'Lines and data points that were read');
  const rejected = counter('nanoseg_push_records_rejected_total', 'Lines and data points that could not be used');
  const refused = counter('nanoseg_push_refused_total', 'Requests that were not taken, by reason', ['reason']);
  const turnedAway = counter('nanoseg_push_connections_refused_total', 'Connections that were one too many');
  const bytes = counter('nanoseg_push_bytes_total', 'Bytes of bodies, without their compression');
  const held = new Gauge({
    name: 'nanoseg_push_queue_bytes',
    help: 'Bytes of bodies that were begun and are not saved yet',
    registers,
  });
  for (const reason of pushRefusalCodes) refused.inc({ reason }, 0);
  return {
    taken: (path, read, unusable) => {
      batches.inc({ path });
      records.inc(read);
      rejected.inc(unusable);
    },
    repeated: () => repeated.inc(),
    refused: (reason) => refused.inc({ reason }),
    turnedAway: () => turnedAway.inc(),
    received: (count) => bytes.inc(count),
    held: (count) => held.set(count),
  };
}
