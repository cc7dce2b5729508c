import { type Problem, problem } from '../../model/problem.ts';
import type { Clock } from '../../ports.ts';
import { backoffMs } from '../../reconcile/backoff.ts';
import type { AppendedBatches } from './appended-batches.ts';
import { encodePart } from './shard-part.ts';
import type { RedisLink } from './redis-link.ts';
import { script } from './redis-script.ts';
import { RedisStoreError } from './redis-store-error.ts';
import { entryText, type StreamBatch, waitingFunction } from './shard-stream.ts';
import { shardKeys } from './shards.ts';

export interface ShardTailOptions {
  readonly link: RedisLink;
  /** Of the shard. */
  readonly storeName: string;
  /** Unique to this process. */
  readonly self: string;
  readonly clock: Clock;
  readonly mostWaiting: number;
  readonly appended: AppendedBatches;
}

/**
 * KEYS: intake, how many batches of ours it has got. ARGV: how many those are as far as we know, how many batches may wait,
 * for how long our number is kept; then for each entry how many batches it has, and their text. Answers with `back` and the
 * number when the server has got fewer; `full`; or `appended`, the number, the id of the first entry that waits, the ids of
 * ours.
 */
const appendScript = script(`
${waitingFunction}
local own = tonumber(redis.call('GET', KEYS[2]) or '0')
if own < tonumber(ARGV[1]) then return {'back', own} end
local waits, total, first = waiting(KEYS[1])
if #ARGV > 3 and waits >= tonumber(ARGV[2]) then return {'full', own} end
local ids = {}
for i = 4, #ARGV, 2 do
  local batches = tonumber(ARGV[i])
  total, own = total + batches, own + batches
  ids[#ids + 1] = redis.call('XADD', KEYS[1], '*', 'w', total, 'n', batches, 'b', ARGV[i + 1])
end
if #ids > 0 then redis.call('SET', KEYS[2], own, 'PX', ARGV[3]) end
return {'appended', own, first or ids[1] or '', ids}
`);

/** A batch that is to be appended. */
export interface Waiting {
  readonly batch: StreamBatch;
  readonly done: (error?: Error) => void;
}

const mostAtOnce = 256;
const mostBytesAtOnce = 1 << 20;
/** Batches share an entry up to so many characters: what a server does for a flow is mostly what it does for the entry. */
const entryLength = 8 << 10;
const backoff = { firstMs: 50, mostMs: 2_000 };
const fullPauseMs = 100;
/** What waits in the stream is looked after so often, that a server that lost it is noticed. */
const lookMs = 1_000;
const numberKeptMs = 24 * 3_600_000;

/** The end of one shard's stream: batches go there one step after the other, in the order in which they come. */
export class ShardTail {
  readonly #options: ShardTailOptions;
  readonly #keys: readonly [string, string];
  #queue: Waiting[] = [];
  /** Of the step that is under way; not in the queue meanwhile. */
  #sent: Waiting[] = [];
  /** By the server, as the latest step found. */
  #lost: Waiting[] = [];
  #isSending = false;
  /** Batches of ours that the stream has got. */
  #own = 0;
  #losses = 0;
  #ended = false;
  failure: Problem | undefined;
  /** A server lost them, and they were appended again. */
  repeatedBatches = 0;
  /** Nobody has them any more. */
  lostBatches = 0;

  constructor(options: ShardTailOptions) {
    this.#options = options;
    const { intake, tail } = shardKeys(options.storeName);
    this.#keys = [intake, `${tail}:${options.self}`];
  }

  /** Tells when the stream has it, or why it cannot. */
  append(waiting: Waiting): void {
    this.#queue.push(waiting);
    if (!this.#isSending) void this.#send();
  }

  /** Gives up what is not sent yet. What is being sent may arrive; the same number again is then no second one. */
  giveUp(waiting: Waiting): void {
    this.#queue = this.#queue.filter((other) => other !== waiting);
    this.#sent = this.#sent.filter((other) => other !== waiting);
  }

  /** Looks after what is there until aborted, and sends nothing afterwards. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => (this.#ended = true), { once: true });
    while (!signal.aborted) {
      await this.#options.clock.sleep(lookMs, signal).catch(() => undefined);
      if (signal.aborted || this.#isSending || this.#options.appended.size === 0) continue;
      await this.#look();
    }
  }

  /** Whether what waits is still there; what is not is sent again. */
  async #look(): Promise<void> {
    this.#isSending = true;
    try {
      await this.#step([]);
      this.#putBack();
      this.failure = undefined;
    } catch (error) {
      this.#tell(error);
    }
    await this.#send();
  }

  async #send(): Promise<void> {
    this.#isSending = true;
    for (let failures = 0; this.#queue.length > 0 && !this.#ended; ) {
      this.#sent = this.#next();
      try {
        const outcome = await this.#step(this.#sent.map(({ batch }) => batch));
        failures = 0;
        this.failure = outcome === 'full' ? this.#full() : undefined;
        if (outcome === 'appended') this.#settle();
        else this.#putBack();
        if (outcome === 'full') await this.#pause(fullPauseMs);
      } catch (error) {
        this.#tell(error);
        if (!isPassing(error)) this.#settle(error as Error);
        else {
          this.#putBack();
          await this.#pause(backoffMs(++failures, 1, backoff));
        }
      }
    }
    this.#isSending = false;
  }

  /** Takes what is sent at once out of the queue. */
  #next(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { batch } of this.#queue) {
      bytes += batch.text.length;
      if (count > 0 && (count >= mostAtOnce || bytes > mostBytesAtOnce)) break;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  #settle(error?: Error): void {
    const sent = this.#sent;
    this.#sent = [];
    for (const { done } of sent) done(error);
  }

  /** In front of all others, and after what the server has lost. */
  #putBack(): void {
    this.#queue = [...this.#lost, ...this.#sent, ...this.#queue];
    [this.#lost, this.#sent] = [[], []];
  }

  /** `back`: the server is at an earlier moment, and what it has lost is in `lost` now. */
  async #step(batches: readonly StreamBatch[]): Promise<'appended' | 'full' | 'back'> {
    const { link, mostWaiting, clock, appended } = this.#options;
    const entries = sharedEntries(batches);
    const args = entries.flatMap((shared) => [shared.length, entryText(shared)]);
    const answer = await link.run(appendScript, this.#keys, [this.#own, mostWaiting, numberKeptMs, ...args]);
    const [outcome, own, first, ids = []] = answer as ['appended' | 'full' | 'back', number, string?, string[]?];
    if (outcome === 'back') this.#takeBack(own);
    if (outcome !== 'appended') return outcome;
    // what an earlier try has brought there, and nobody heard of, comes before
    let count = own - batches.length;
    this.#own = own;
    const now = clock.now();
    for (const [i, shared] of entries.entries()) {
      for (const batch of shared) appended.add(batch, ++count, ids[i] as string, now);
    }
    appended.appliedBefore(first === '' ? undefined : first, now);
    return outcome;
  }

  /** The stream has got only `own` of our batches. */
  #takeBack(own: number): void {
    const { batches, gone } = this.#options.appended.takeAfter(own);
    this.repeatedBatches += batches.length;
    this.lostBatches += gone;
    this.#own = own;
    const lost = gone === 0 ? batches : [this.#loss(), ...batches];
    const done = (error?: Error) => {
      if (error !== undefined) this.lostBatches++;
    };
    this.#lost = lost.map((batch) => ({ batch, done }));
  }

  /** What is gone may have been of any node. */
  #loss(): StreamBatch {
    const { self, clock } = this.#options;
    const loss = { timeMs: clock.now(), source: 'nanoseg', node: '', events: undefined, kind: 'lost' } as const;
    return { producer: `receiver ${self}`, number: ++this.#losses, text: encodePart({ flows: [], losses: [loss] }) };
  }

  #full(): Problem {
    const { mostWaiting, link } = this.#options;
    const message = `${mostWaiting} batches wait in ${this.#keys[0]}: nobody takes them, or not as fast as they come`;
    return problem('IntakeFull', message, link.name);
  }

  #tell(error: unknown): void {
    if (!(error instanceof RedisStoreError)) throw error;
    this.failure = error.problem;
  }

  #pause(ms: number): Promise<void> {
    return this.#options.clock.sleep(ms, new AbortController().signal);
  }
}

/** In their order. */
function sharedEntries(batches: readonly StreamBatch[]): StreamBatch[][] {
  const entries: StreamBatch[][] = [];
  let length = entryLength;
  for (const batch of batches) {
    length += batch.text.length;
    if (length > entryLength) {
      entries.push([]);
      length = batch.text.length;
    }
    entries.at(-1)?.push(batch);
  }
  return entries;
}

function isPassing(error: unknown): boolean {
  return error instanceof RedisStoreError && error.retryable;
}
