import type { Flow, FlowLoss } from '../../model/flow.ts';
import type { FlowBatch, RejectedRecord } from '../../ports.ts';
import { CalicoReports } from '../flow-file/calico-report.ts';
import type { FlowLimits } from '../flow-file/flow-limits.ts';
import { goldmaneReport } from '../flow-file/goldmane-line.ts';
import { type LineOutcome, outcomeOf, skipped } from '../flow-file/line-outcome.ts';
import { bucketS, decodeFlowResult, type FlowResult } from './goldmane-messages.ts';
import { encodePosition, type GoldmanePosition } from './goldmane-position.ts';

/** Turns results into flows, and keeps how far their buckets were delivered. */
export class GoldmaneRecords {
  readonly #name: string;
  readonly #limits: FlowLimits;
  readonly #reports = new CalicoReports();
  #position: GoldmanePosition | undefined;
  /** Of the position's bucket. */
  #delivered: Set<string>;
  #flows: Flow[] = [];
  #losses: FlowLoss[] = [];
  #rejected: RejectedRecord[] = [];
  #records = 0;
  #skipped = 0;
  #ever = 0;

  constructor(name: string, limits: FlowLimits, position: GoldmanePosition | undefined) {
    this.#name = name;
    this.#limits = limits;
    this.#position = position;
    this.#delivered = new Set(position?.delivered);
  }

  /** Undefined: nothing was delivered yet. */
  get position(): GoldmanePosition | undefined {
    return this.#position && { ...this.#position, delivered: [...this.#delivered] };
  }

  /** The beginning of the latest bucket of which something was delivered, in seconds since 1970. */
  get lastS(): number | undefined {
    return this.#position?.bucketS;
  }

  /** Flows, losses and rejected results that wait to be taken. */
  get size(): number {
    return this.#records + this.#losses.length;
  }

  /** Undefined for what is no FlowResult, which is rejected. */
  decode(bytes: Uint8Array): FlowResult | undefined {
    try {
      return decodeFlowResult(bytes);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#count({ kind: 'rejected', reason: `no FlowResult: ${error.message}` });
      return undefined;
    }
  }

  add(result: FlowResult): void {
    const outcome = this.#outcomeOf(result);
    this.#count(outcome);
    const startS = bucketOf(result);
    if (outcome.kind === 'rejected' || startS === undefined) return;
    // after a loss the clock of the server may be another one
    const { bucketS: lastS = -1, isLossTold = false } = this.#position ?? {};
    if (this.#position === undefined || startS > lastS || (isLossTold && startS !== lastS)) {
      this.#position = { bucketS: startS, delivered: [], isLossTold: false };
      this.#delivered = new Set();
    }
    if (startS === this.#position.bucketS) this.#delivered.add(result.digest);
  }

  /** A result that was delivered by an earlier reading: what comes after it is to be understood as it was then. */
  remember(result: FlowResult): void {
    this.#outcomeOf(result);
  }

  /** A result that was delivered before. */
  skip(): void {
    this.#count(skipped);
  }

  /** What followed the position's bucket may be missing, from every node; once for each bucket. */
  lose(): void {
    if (this.#position === undefined || this.#position.isLossTold) return;
    const timeMs = this.#position.bucketS * 1_000;
    this.#position = { ...this.#position, isLossTold: true };
    this.#losses.push({ timeMs, source: 'goldmane', node: '', events: undefined, kind: 'unavailable' });
  }

  takeBatch(): FlowBatch {
    const { position } = this;
    const batch = {
      ...(position && { position: encodePosition(position) }),
      flows: this.#flows,
      losses: this.#losses,
      rejected: this.#rejected,
      records: this.#records,
      skipped: this.#skipped,
    };
    [this.#flows, this.#losses, this.#rejected, this.#records, this.#skipped] = [[], [], [], 0, 0];
    return batch;
  }

  #outcomeOf({ fields }: FlowResult): LineOutcome {
    return outcomeOf(() => {
      const report = goldmaneReport(fields, this.#limits);
      return report === undefined ? skipped : this.#reports.outcome(report);
    });
  }

  #count(outcome: LineOutcome): void {
    this.#records++;
    this.#ever++;
    if (outcome.kind === 'flow') this.#flows.push(outcome.flow);
    else if (outcome.kind === 'rejected') {
      this.#rejected.push({ where: `${this.#name}:${this.#ever}`, reason: outcome.reason });
    } else this.#skipped++;
  }
}

/** The beginning of a result's bucket. */
export function bucketOf({ startS }: FlowResult): number | undefined {
  return startS === undefined ? undefined : Math.floor(startS / bucketS) * bucketS;
}
