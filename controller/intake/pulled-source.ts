import type { AppendedBatch, FlowAppender } from '../adapters/redis/flow-appender.ts';
import type { ShardPart } from '../adapters/redis/shard-part.ts';
import { RedisStoreError } from '../adapters/redis/redis-store-error.ts';
import type { SourceOutbox } from '../adapters/redis/source-outbox.ts';
import type { Clock, FlowSource, SourcePosition } from '../ports.ts';
import { reconnecting, type SourceState } from './reconnecting.ts';
import type { SourceFigures } from './source-figures.ts';

export interface PulledSourceOptions {
  readonly name: string;
  /** Reads it from that position on. */
  readonly open: (position: SourcePosition | undefined) => FlowSource;
  /** Undefined while another process reads it. */
  readonly claim: () => Promise<SourceOutbox | undefined>;
  readonly appender: Pick<FlowAppender, 'append'>;
  readonly figures: SourceFigures;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** How often the right to read it is renewed. */
  readonly renewMs: number;
}

const askAgainMs = 1_000;

/**
 * Reads a source for as long as no other process does, and passes on what it delivers. Ends when aborted; rejects with
 * RedisStoreError for what a person has to repair.
 */
export async function pullSource(options: PulledSourceOptions, signal: AbortSignal): Promise<void> {
  const { claim, clock, figures, name } = options;
  while (!signal.aborted) {
    const outbox = await patiently(claim, clock, signal);
    if (outbox !== undefined) {
      try {
        await readHeld(options, outbox, signal);
      } finally {
        figures.forget(name);
        await outbox.release().catch(retryable);
      }
    }
    await clock.sleep(askAgainMs, signal).catch(() => undefined);
  }
}

/** Until aborted, or until another process has taken it over. */
async function readHeld(options: PulledSourceOptions, outbox: SourceOutbox, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  const held = AbortSignal.any([signal, over.signal]);
  try {
    await Promise.race([deliver(options, outbox, held), whileRenewed(options, outbox, held)]);
  } catch (error) {
    if (!held.aborted) throw error;
  } finally {
    over.abort();
  }
}

async function deliver(options: PulledSourceOptions, outbox: SourceOutbox, signal: AbortSignal): Promise<void> {
  const { name, open, appender, figures, clock, random } = options;
  // whoever read it before may have ended between putting its last batch down and passing it on
  if (outbox.left !== undefined) await appender.append(outbox.left, signal);
  const onState = (state: SourceState, message: string) => figures.tell(name, state, message);
  for await (const batch of reconnecting(open(outbox.position), signal, { clock, random, onState })) {
    const { flows, losses, observed = [] } = batch;
    if (flows.length + losses.length + observed.length > 0) {
      const part: ShardPart = { flows, losses, observed };
      const put = () => outbox.put(part, batch.position);
      const numbered: AppendedBatch | undefined = await patiently(put, clock, signal);
      if (numbered === undefined) return;
      await appender.append(numbered, signal);
    }
    figures.count(name, batch);
    batch.saved?.();
  }
}

/** Resolves when it cannot be renewed any more. */
async function whileRenewed(
  { clock, renewMs }: PulledSourceOptions,
  outbox: SourceOutbox,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await clock.sleep(renewMs, signal);
    if (!(await patiently(() => outbox.renew(), clock, signal))) return;
  }
}

/** Asks a server again that does not answer now. */
async function patiently<Answer>(
  ask: () => Promise<Answer>,
  clock: Clock,
  signal: AbortSignal,
): Promise<Answer | undefined> {
  while (!signal.aborted) {
    try {
      return await ask();
    } catch (error) {
      retryable(error);
      await clock.sleep(askAgainMs, signal).catch(() => undefined);
    }
  }
  return undefined;
}

function retryable(error: unknown): void {
  if (!(error instanceof RedisStoreError && error.retryable)) throw error;
}
