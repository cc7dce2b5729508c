import type { AttributionNow } from './attribution-now.ts';
import type { HeldShard } from '../adapters/redis/shard-store.ts';
import { ControllerProblem } from '../backend.ts';
import { EvidenceKeeper, type KeeperHealth } from './evidence-keeper.ts';
import { TrafficGraph } from '../graph/traffic-graph.ts';
import { type IngestCounters, LiveIngest } from './live-ingest.ts';
import type { Problem } from '../model/problem.ts';
import { mayPass, repairable } from './open-evidence.ts';
import type { Clock, ClusterView, FlowBatch, FlowSource, SourcePositions } from '../ports.ts';

export interface ShardWorkerOptions {
  readonly shard: number;
  readonly view: ClusterView;
  readonly attribution: AttributionNow;
  readonly binMs: number;
  readonly flushMs: number;
  readonly clock: Clock;
}

const askAgainMs = 1_000;

/** Counts the flows of one shard, for as long as the shard is ours. */
export class ShardWorker {
  readonly shard: number;
  readonly #options: ShardWorkerOptions;
  readonly #held: HeldShard;
  readonly #ingest: LiveIngest;
  readonly #keeper: EvidenceKeeper;
  readonly #over = new AbortController();
  #unreadable: Problem | undefined;
  #ended: Promise<void> | undefined;

  constructor(options: ShardWorkerOptions, held: HeldShard) {
    const { shard, view, attribution, binMs, flushMs, clock } = options;
    this.shard = shard;
    this.#options = options;
    this.#held = held;
    const graph = new TrafficGraph({ binMs, saved: true, grown: true });
    this.#ingest = new LiveIngest({ view, graph, clock, attribution });
    const onHealth = ({ failure }: KeeperHealth) => {
      // whoever took the shard over while we were asleep counts its flows now
      if (failure?.code === 'EvidenceInUse') this.#over.abort();
    };
    this.#keeper = new EvidenceKeeper({ store: held.store, graph, ingest: this.#ingest, clock, flushMs, onHealth });
  }

  get counters(): IngestCounters {
    return this.#ingest.counters;
  }

  get saving(): KeeperHealth {
    return this.#keeper.health;
  }

  /** Why flows that wait cannot be read. */
  get unreadable(): Problem | undefined {
    return this.#unreadable;
  }

  /**
   * Works until let go, or until another worker has the shard. Rejects with ControllerProblem for what a person has to
   * repair.
   */
  run(): Promise<void> {
    this.#ended ??= this.#work();
    return this.#ended;
  }

  /** Saves what was counted and lets another worker have the shard; what was not counted waits for it. */
  async release(): Promise<void> {
    this.#over.abort();
    await this.#ended;
  }

  async #work(): Promise<void> {
    const { signal } = this.#over;
    try {
      const positions = await this.#load();
      if (positions === undefined) return;
      this.#held.intake.begin(positions);
      const reading = this.#ingest.run([this.#patientIntake()], signal).finally(() => this.#over.abort());
      await Promise.all([reading, this.#keeper.run(signal)]);
    } finally {
      await this.#keeper.close();
    }
  }

  async #load(): Promise<SourcePositions | undefined> {
    const { signal } = this.#over;
    while (!signal.aborted) {
      const positions = await repairable(() =>
        this.#keeper.load().catch((error: unknown) => {
          if (!mayPass(error)) throw error;
        }),
      );
      if (positions !== undefined && 'code' in positions) throw new ControllerProblem(positions);
      if (positions !== undefined) return positions;
      await this.#options.clock.sleep(askAgainMs, signal).catch(() => undefined);
    }
    return undefined;
  }

  /** The stream of the shard, asked again soon after each failure: unlike a source it has nobody but us to bear. */
  #patientIntake(): FlowSource {
    const { intake } = this.#held;
    const { clock } = this.#options;
    const tell = (failure: Problem | undefined) => (this.#unreadable = failure);
    const name = intake.name;
    return {
      name,
      progress: () => intake.progress(),
      async *batches(signal: AbortSignal): AsyncGenerator<FlowBatch> {
        while (!signal.aborted) {
          try {
            for await (const batch of intake.batches(signal)) {
              tell(undefined);
              yield batch;
            }
            return;
          } catch (error) {
            if (!mayPass(error)) throw error;
            tell((error as Error & { problem: Problem }).problem);
            await clock.sleep(askAgainMs, signal).catch(() => undefined);
          }
        }
      },
    };
  }
}
