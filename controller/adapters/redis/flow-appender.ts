import { randomUUID } from 'node:crypto';
import type { Flow, FlowLoss, ObservedTime } from '../../model/flow.ts';
import { fnv1a } from '../../model/object-name.ts';
import type { Problem } from '../../model/problem.ts';
import type { Clock } from '../../ports.ts';
import { AppendedBatches } from './appended-batches.ts';
import { encodePart, type ShardPart } from './shard-part.ts';
import type { RedisLink } from './redis-link.ts';
import { shardOf } from './shard-of-flow.ts';
import { ShardTail } from './shard-tail.ts';
import { type Shards, shardName } from './shards.ts';

export interface FlowAppenderOptions {
  readonly link: RedisLink;
  readonly shards: Shards;
  readonly clock: Clock;
  /** No shard takes more while so many batches wait there for their worker. @default 20000 */
  readonly mostWaiting?: number;
  /** So much of what waits there is kept here too, for a server that loses it. @default 64 MiB */
  readonly keptBytes?: number;
}

/** What a producer reports at once. A number is never given to another batch; numbers of a producer grow. */
export interface AppendedBatch extends ShardPart {
  readonly producer: string;
  readonly number: number;
}

export interface AppenderHealth {
  /** Why nothing can be appended to some shard now. */
  readonly failure: Problem | undefined;
  readonly appendedFlows: number;
  readonly waitingBatches: number;
  /** Parts of batches that a server lost and that were appended again. */
  readonly repeatedBatches: number;
  /** Parts of batches that a server lost and nobody has any more; each loss is told in the evidence too. */
  readonly lostBatches: number;
}

const defaultMostWaiting = 20_000;
const defaultKeptBytes = 64 << 20;

/**
 * Divides batches among the streams of their shards. A batch is there when all its parts are; one that is appended again,
 * by whomever, is divided in the same way and is counted once.
 */
export class FlowAppender {
  readonly #shards: Shards;
  readonly #tails: readonly ShardTail[];
  #appendedFlows = 0;
  #waiting = 0;

  constructor({ link, shards, clock, mostWaiting = defaultMostWaiting, keptBytes }: FlowAppenderOptions) {
    this.#shards = shards;
    const self = randomUUID();
    const kept = (keptBytes ?? defaultKeptBytes) / shards.count;
    this.#tails = Array.from({ length: shards.count }, (_, shard) => {
      const appended = new AppendedBatches(kept);
      return new ShardTail({ link, storeName: shardName(shards, shard), self, clock, mostWaiting, appended });
    });
  }

  get health(): AppenderHealth {
    return {
      failure: this.#tails.map(({ failure }) => failure).find((failure) => failure !== undefined),
      appendedFlows: this.#appendedFlows,
      waitingBatches: this.#waiting,
      repeatedBatches: this.#tails.reduce((sum, { repeatedBatches }) => sum + repeatedBatches, 0),
      lostBatches: this.#tails.reduce((sum, { lostBatches }) => sum + lostBatches, 0),
    };
  }

  /** Looks after what is in the streams and not applied yet, until aborted. Rejects only for bugs. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#tails.map((tail) => tail.run(signal)));
  }

  /**
   * Resolves when every shard has its part, and waits while one cannot take it. Batches of one producer come one after the
   * other. Rejects with the reason of `signal`, and with RedisStoreError for what a person has to repair.
   */
  async append({ producer, number, ...batch }: AppendedBatch, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const parts = divided(batch, this.#shards.count);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let missing = parts.size;
    const done = (error?: Error) => {
      if (error !== undefined) reject(error);
      else if (--missing === 0) resolve();
    };
    const given = [...parts].map(([shard, part]) => {
      const tail = this.#tails[shard] as ShardTail;
      const waiting = { batch: { producer, number, text: encodePart(part) }, done };
      tail.append(waiting);
      return { tail, waiting };
    });
    if (missing === 0) resolve();
    const abort = () => {
      for (const { tail, waiting } of given) tail.giveUp(waiting);
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', abort, { once: true });
    this.#waiting++;
    try {
      await promise;
      this.#appendedFlows += batch.flows.length;
    } finally {
      this.#waiting--;
      signal.removeEventListener('abort', abort);
    }
  }
}

function divided({ flows, losses, observed = [] }: ShardPart, count: number): ReadonlyMap<number, ShardPart> {
  const parts = new Map<number, { flows: Flow[]; losses: FlowLoss[]; observed: ObservedTime[] }>();
  const partOf = (shard: number) => {
    let part = parts.get(shard);
    if (part === undefined) parts.set(shard, (part = { flows: [], losses: [], observed: [] }));
    return part;
  };
  for (const flow of flows) partOf(shardOf(flow, count)).flows.push(flow);
  for (const loss of losses) {
    // whether a beginning is a loss is known where the node was seen before, and that may be any shard
    if (loss.kind === 'started') for (let shard = 0; shard < count; shard++) partOf(shard).losses.push(loss);
    else partOf(fnv1a(loss.node) % count).losses.push(loss);
  }
  for (const time of observed) partOf(fnv1a(time.node) % count).observed.push(time);
  return parts;
}
