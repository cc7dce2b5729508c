import type { IngestCounters } from './live-ingest.ts';
import type { UnknownReason } from '../model/endpoint.ts';

export const nothingCounted: IngestCounters = {
  records: 0,
  flows: 0,
  rejected: 0,
  losses: 0,
  unattributed: new Map(),
  contradictions: 0,
  held: 0,
  attributions: 0,
};

/** What all of them have counted. */
export function counterSum(counters: Iterable<IngestCounters>): IngestCounters {
  const sum: { -readonly [Field in keyof IngestCounters]: IngestCounters[Field] } = { ...nothingCounted };
  const unattributed = new Map<UnknownReason, number>();
  for (const one of counters) {
    sum.records += one.records;
    sum.flows += one.flows;
    sum.rejected += one.rejected;
    sum.losses += one.losses;
    sum.contradictions += one.contradictions;
    sum.held += one.held;
    sum.attributions += one.attributions;
    for (const [reason, flows] of one.unattributed) unattributed.set(reason, (unattributed.get(reason) ?? 0) + flows);
  }
  return { ...sum, unattributed };
}
