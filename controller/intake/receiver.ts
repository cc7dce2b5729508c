import { sequenceOf } from '../adapters/flow-push/producer-positions.ts';
import type { FlowAppender } from '../adapters/redis/flow-appender.ts';
import type { Clock, FlowBatch, FlowSource } from '../ports.ts';
import type { TakesFlows } from './push-endpoint.ts';
import { reconnecting, type SourceState } from './reconnecting.ts';
import { SourceFigures, type SourceHealth } from './source-figures.ts';

export interface ReceiverOptions {
  readonly appender: Pick<FlowAppender, 'append'>;
  /** What batches are numbered under that have no producer of their own; unique to this process. */
  readonly self: string;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
}

/**
 * Passes on to the shards what is pushed to this process. A batch is answered when every shard has its part, in the order in
 * which that happens: the source bounds how many are under way.
 */
export class Receiver implements TakesFlows {
  readonly #options: ReceiverOptions;
  readonly #figures = new SourceFigures();
  #number = 0;

  constructor(options: ReceiverOptions) {
    this.#options = options;
  }

  get health(): readonly SourceHealth[] {
    return this.#figures.health;
  }

  /** Rejects with RedisStoreError for what a person has to repair. */
  async run(sources: readonly FlowSource[], signal: AbortSignal): Promise<void> {
    const failed = Promise.withResolvers<never>();
    const ended = Promise.all(sources.map((source) => this.#read(source, failed.reject, signal)));
    await Promise.race([ended, failed.promise]);
  }

  async #read(source: FlowSource, fail: (error: unknown) => void, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    const { name } = source;
    const onState = (state: SourceState, message: string) => this.#figures.tell(name, state, message);
    const underWay = new Set<Promise<void>>();
    for await (const batch of reconnecting(source, signal, { clock, random, onState })) {
      const passed: Promise<void> = this.#pass(name, batch, signal)
        .catch((error: unknown) => {
          if (!signal.aborted) fail(error);
        })
        .finally(() => underWay.delete(passed));
      underWay.add(passed);
    }
    await Promise.all(underWay);
  }

  async #pass(name: string, batch: FlowBatch, signal: AbortSignal): Promise<void> {
    const { flows, losses, observed = [] } = batch;
    await this.#options.appender.append({ ...this.#numbered(batch), flows, losses, observed }, signal);
    this.#figures.count(name, batch);
    batch.saved?.();
  }

  #numbered({ producer, position }: FlowBatch): { readonly producer: string; readonly number: number } {
    const number = position === undefined ? undefined : sequenceOf(position);
    if (producer !== undefined && number !== undefined) return { producer, number };
    return { producer: this.#options.self, number: ++this.#number };
  }
}
