import { Counter, Gauge, type Registry } from 'prom-client';
import type { StreamsStatus } from '../../model/profile.ts';

/** Of a process that takes flows and counts some shards; sums are since its start. */
export interface SharedIngestFigures {
  readonly appendedFlows: number;
  readonly waitingBatches: number;
  readonly lostBatches: number;
  /** Shards that it holds. */
  readonly held: number;
}

/** What Prometheus is told where several processes share the work over Redis. */
export class SharedMetrics {
  readonly #appended: Counter;
  readonly #lost: Counter;
  readonly #appending: Gauge;
  readonly #held: Gauge;
  readonly #waiting: Gauge;
  readonly #isHeld: Gauge;
  readonly #memory: Gauge;
  #told = { appendedFlows: 0, lostBatches: 0 };

  constructor(registry: Registry) {
    const registers = [registry];
    const gauge = (name: string, help: string, labelNames: string[] = []) =>
      new Gauge({ name, help, labelNames, registers });
    const counter = (name: string, help: string) => new Counter({ name, help, registers });
    this.#appended = counter('nanoseg_appended_flows_total', 'Flows that were passed on to the shards');
    this.#lost = counter('nanoseg_appended_batches_lost_total', 'Batches that a server lost and nobody has any more');
    this.#appending = gauge('nanoseg_appending_batches', 'Batches that are being passed on to the shards');
    this.#held = gauge('nanoseg_shards_held', 'Shards whose flows this process counts');
    this.#waiting = gauge('nanoseg_intake_waiting_batches', 'Batches of a shard that nobody has counted yet', [
      'shard',
    ]);
    this.#isHeld = gauge('nanoseg_shard_held', '1 while somebody counts the flows of a shard', ['shard']);
    this.#memory = gauge('nanoseg_redis_memory_bytes', 'Memory of the servers that have the shards');
  }

  ingest({ appendedFlows, lostBatches, waitingBatches, held }: SharedIngestFigures): void {
    this.#appended.inc(appendedFlows - this.#told.appendedFlows);
    this.#lost.inc(lostBatches - this.#told.lostBatches);
    this.#told = { appendedFlows, lostBatches };
    this.#appending.set(waitingBatches);
    this.#held.set(held);
  }

  /** Undefined: nothing is shared. */
  streams(status: StreamsStatus | undefined): void {
    for (const { shard, waiting, holder } of status?.shards ?? []) {
      this.#waiting.set({ shard }, waiting);
      this.#isHeld.set({ shard }, holder === undefined ? 0 : 1);
    }
    this.#memory.set(status?.memory.reduce((sum, { usedBytes }) => sum + usedBytes, 0) ?? 0);
  }
}
