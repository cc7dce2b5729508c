import type { Flow, FlowLoss, ObservedTime } from '../../model/flow.ts';
import { UnusableRecord } from './unusable-record.ts';

/** What one record of a file turned out to be. */
export type LineOutcome =
  | { readonly kind: 'flow'; readonly flow: Flow }
  | { readonly kind: 'losses'; readonly losses: readonly FlowLoss[] }
  | { readonly kind: 'observed'; readonly observed: ObservedTime }
  /** A good record that is no flow. */
  | { readonly kind: 'skipped' }
  | { readonly kind: 'rejected'; readonly reason: string }
  /** A line that holds several records. */
  | { readonly kind: 'several'; readonly outcomes: readonly LineOutcome[] };

/**
 * Reads one record. `loggedMs` is the time that a container log gives for the line, for records that carry no time of
 * their own.
 */
export type LineReader = (line: string, loggedMs: number | undefined) => LineOutcome;

export const skipped: LineOutcome = { kind: 'skipped' };

/** Runs a reader; a record that it cannot use becomes a rejection with the reason. Anything else thrown is a bug of ours. */
export function outcomeOf(read: () => LineOutcome): LineOutcome {
  try {
    return read();
  } catch (error) {
    if (error instanceof UnusableRecord) return { kind: 'rejected', reason: error.message };
    throw error;
  }
}
