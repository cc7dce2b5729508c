import type { FlowLoss } from '../model/flow.ts';
import type { FlowBatch } from '../ports.ts';

/** Clocks of nodes may differ by so much from each other. */
const skewMs = 3_600_000;

/**
 * The times that losses are counted at. What is missing is made up for by watching for a while after it, so that a clock which
 * is days behind would have made up for a loss before anybody knew of it: one that a source dates long before what it reported
 * already is counted at the time of that, which is at most too late.
 */
export class LossTimes {
  /** When the newest flow of each source was. */
  readonly #newestMs = new Map<string, number>();

  /** The losses of the next batch of a source, which is received at `nowMs`. */
  dated(source: string, { flows, losses }: Pick<FlowBatch, 'flows' | 'losses'>, nowMs: number): readonly FlowLoss[] {
    const known = this.#newestMs.get(source) ?? Number.NEGATIVE_INFINITY;
    // nothing happens later than now, whatever a clock says that is ahead
    const newestMs = flows.reduce((most, { endMs }) => Math.max(most, Math.min(endMs, nowMs)), known);
    this.#newestMs.set(source, newestMs);
    return losses.map((loss) => (loss.timeMs < newestMs - skewMs ? { ...loss, timeMs: newestMs } : loss));
  }
}
