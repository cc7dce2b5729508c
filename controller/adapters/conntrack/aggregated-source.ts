import type { FlowLoss, ObservedTime } from '../../model/flow.ts';
import type { Clock, FlowBatch, FlowSource, RejectedRecord } from '../../ports.ts';
import { FlowAggregate } from './flow-aggregate.ts';

export interface AggregatedSourceOptions {
  readonly clock: Clock;
  readonly intervalMs: number;
  /** Distinct flows that are kept of one interval at most. @default 100000 */
  readonly mostSums?: number;
}

/**
 * The flows of another source, added up on this side: one batch for each interval, and one at its end. It reads the other
 * source at that one's pace, however slowly its own batches are taken. What is there when it is aborted is its last batch.
 */
export function aggregatedSource(source: FlowSource, options: AggregatedSourceOptions): FlowSource {
  const { clock, intervalMs, mostSums = 100_000 } = options;
  return {
    name: source.name,
    progress: () => source.progress(),
    async *batches(signal) {
      const interval = new Interval(new FlowAggregate(intervalMs, mostSums));
      const ended = new AbortController();
      const running = AbortSignal.any([signal, ended.signal]);
      const reading = read(source, interval, running).finally(() => ended.abort());
      // whoever waits for an interval is told of a failure when it has ended
      reading.catch(() => undefined);
      try {
        while (!running.aborted) {
          // from its own beginning on, so that the agents of many nodes do not all deliver in the same moment
          await clock.sleep(intervalMs, running).catch((error: unknown) => {
            if (!running.aborted) throw error;
          });
          if (!interval.isEmpty) yield interval.take();
        }
        await reading;
        if (!interval.isEmpty) yield interval.take();
      } finally {
        ended.abort();
        await reading.catch(() => undefined);
      }
    },
  };
}

async function read(source: FlowSource, interval: Interval, signal: AbortSignal): Promise<void> {
  for await (const batch of source.batches(signal)) interval.add(batch);
}

const mostRejected = 10;

class Interval {
  readonly #flows: FlowAggregate;
  #losses = new Map<string, FlowLoss>();
  #observed: ObservedTime[] = [];
  #rejected: RejectedRecord[] = [];
  #records = 0;
  #skipped = 0;

  constructor(flows: FlowAggregate) {
    this.#flows = flows;
  }

  get isEmpty(): boolean {
    return this.#flows.size + this.#losses.size + this.#observed.length + this.#rejected.length === 0;
  }

  add({ flows, losses, observed = [], rejected, records, skipped }: FlowBatch): void {
    for (const flow of flows) this.#flows.add(flow);
    for (const loss of losses) this.#addLoss(loss);
    this.#observed.push(...observed);
    for (const one of rejected) if (this.#rejected.length < mostRejected) this.#rejected.push(one);
    this.#records += records;
    this.#skipped += skipped;
  }

  take(): FlowBatch {
    const { flows, losses } = this.#flows.take();
    const batch: FlowBatch = {
      flows,
      losses: [...this.#losses.values(), ...losses],
      observed: this.#observed,
      rejected: this.#rejected,
      records: this.#records,
      skipped: this.#skipped,
    };
    this.#losses = new Map();
    this.#observed = [];
    this.#rejected = [];
    this.#records = 0;
    this.#skipped = 0;
    return batch;
  }

  #addLoss(loss: FlowLoss): void {
    const key = `${loss.kind} ${loss.source} ${loss.node} ${loss.events === undefined}`;
    const known = this.#losses.get(key);
    const events = loss.events === undefined ? undefined : loss.events + (known?.events ?? 0);
    this.#losses.set(key, loss.kind === 'sampled' ? loss : { ...loss, events });
  }
}
