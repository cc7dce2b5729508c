import type { Endpoint, UnknownReason } from './model/endpoint.ts';
import type { Flow, FlowLoss, ObservedTime } from './model/flow.ts';
import type { Sighting } from './model/sighting.ts';
import type { FlowSource, RejectedRecord } from './ports.ts';

/** How many rejected records are kept with their place and reason; all of them are counted. */
const shownRejections = 20;
/** How many different reasons are counted apart. */
const reasonLimit = 100;

export interface Attributor {
  attribute(flow: Flow): Sighting;
  readonly counters: { readonly contradictions: number };
}

/** Where attributed flows go: the traffic graph. */
export interface FlowSink {
  observe(sighting: Sighting, node: string): void;
  loss(loss: FlowLoss): void;
  observed(time: ObservedTime): void;
}

export interface IngestOptions {
  readonly signal: AbortSignal;
  /** Stop at the first record that cannot be used. */
  readonly strict?: boolean;
  /** Called after every batch with what has been read so far of all sources. */
  readonly onProgress?: (progress: IngestProgress) => void;
}

export interface IngestProgress {
  readonly source: string;
  readonly records: number;
  readonly doneBytes: number;
  /** Undefined while the size of any source is not known. */
  readonly totalBytes: number | undefined;
}

interface SourceSummary {
  readonly source: string;
  readonly records: number;
  readonly flows: number;
  /** Records that are fine and no flow. */
  readonly skipped: number;
  /** Records that could not be used. */
  readonly rejected: number;
  /** Reports of lost, missing or sampled events. */
  readonly losses: number;
}

export interface IngestSummary extends Omit<SourceSummary, 'source'> {
  readonly sources: readonly SourceSummary[];
  /** The first rejected records, in the order of reading. */
  readonly rejections: readonly RejectedRecord[];
  /** Rejected records by reason, most frequent first. */
  readonly rejectionReasons: readonly { readonly reason: string; readonly records: number }[];
  /** Flows with a side that nobody is known to own, by the reason of either side, most frequent first. */
  readonly unattributed: readonly { readonly reason: UnknownReason; readonly flows: number }[];
  /** Flows whose source names another owner than the inventory has for the address. */
  readonly contradictions: number;
  /** True when `strict` ended the reading at the one record in `rejections`. */
  readonly stopped: boolean;
}

/** Reads all sources one after the other, batch by batch, into the graph. What a source throws is thrown on. */
export async function ingest(
  sources: readonly FlowSource[],
  attributor: Attributor,
  graph: FlowSink,
  { signal, strict = false, onProgress }: IngestOptions,
): Promise<IngestSummary> {
  const summaries: SourceSummary[] = [];
  const rejections: RejectedRecord[] = [];
  const reasons = new Map<string, number>();
  const unattributed = new Map<UnknownReason, number>();
  let stopped = false;
  for (const source of sources) {
    let summary: SourceSummary = { source: source.name, records: 0, flows: 0, skipped: 0, rejected: 0, losses: 0 };
    for await (const batch of source.batches(signal)) {
      // what a node lost may hang on whether it was heard of before
      for (const loss of batch.losses) graph.loss(loss);
      for (const flow of batch.flows) {
        const sighting = attributor.attribute(flow);
        countUnknown(unattributed, sighting.client.endpoint);
        countUnknown(unattributed, sighting.server.endpoint);
        graph.observe(sighting, flow.node);
      }
      for (const time of batch.observed ?? []) graph.observed(time);
      for (const rejected of batch.rejected) {
        if (rejections.length < shownRejections) rejections.push(rejected);
        const counted = reasons.has(rejected.reason) || reasons.size < reasonLimit;
        const reason = counted ? rejected.reason : 'other reasons';
        reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      }
      summary = {
        source: source.name,
        records: summary.records + batch.records,
        flows: summary.flows + batch.flows.length,
        skipped: summary.skipped + batch.skipped,
        rejected: summary.rejected + batch.rejected.length,
        losses: summary.losses + batch.losses.length,
      };
      onProgress?.(progressOf(sources, source, sum([...summaries, summary], 'records')));
      stopped = strict && summary.rejected > 0;
      if (stopped) break;
    }
    summaries.push(summary);
    if (stopped) break;
  }
  return {
    sources: summaries,
    records: sum(summaries, 'records'),
    flows: sum(summaries, 'flows'),
    skipped: sum(summaries, 'skipped'),
    rejected: sum(summaries, 'rejected'),
    losses: sum(summaries, 'losses'),
    rejections: stopped ? rejections.slice(0, 1) : rejections,
    rejectionReasons: descending(reasons).map(([reason, records]) => ({ reason, records })),
    unattributed: descending(unattributed).map(([reason, flows]) => ({ reason, flows })),
    contradictions: attributor.counters.contradictions,
    stopped,
  };
}

function countUnknown(counts: Map<UnknownReason, number>, endpoint: Endpoint): void {
  if (endpoint.kind === 'unknown') counts.set(endpoint.reason, (counts.get(endpoint.reason) ?? 0) + 1);
}

function sum(summaries: readonly SourceSummary[], field: Exclude<keyof SourceSummary, 'source'>): number {
  return summaries.reduce((total, summary) => total + summary[field], 0);
}

function descending<Key extends string>(counts: ReadonlyMap<Key, number>): [Key, number][] {
  return [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
}

function progressOf(sources: readonly FlowSource[], source: FlowSource, records: number): IngestProgress {
  const parts = sources.map((one) => one.progress());
  const doneBytes = parts.reduce((total, part) => total + part.doneBytes, 0);
  const totalBytes = parts.reduce<number | undefined>(
    (total, part) => (total === undefined || part.totalBytes === undefined ? undefined : total + part.totalBytes),
    0,
  );
  return { source: source.name, records, doneBytes, totalBytes };
}
