import type { Clock, FlowBatch, FlowSource } from '../ports.ts';
import { backoffMs } from '../reconcile/backoff.ts';

/** `ended`: it has no more; `failed`: given up, as asking again cannot help; `retrying`: asked again soon. */
export type SourceState = 'running' | 'ended' | 'failed' | 'retrying';

export interface ReconnectingOptions {
  readonly clock: Clock;
  /** In [0, 1), so that not everybody comes back at once who was cut off at once. */
  readonly random: () => number;
  /** Called at every change, with the reason in words, which is empty while it runs. */
  readonly onState: (state: SourceState, message: string) => void;
}

const backoff = { firstMs: 1_000, mostMs: 60_000 };
/** A part of each wait that is not left to chance: a source is not asked again at once. */
const leastWait = 0.5;

/**
 * The batches of a source across its failures: it is asked again after a pause that doubles up to a minute, until it ends,
 * says that asking again cannot help (`retryable: false`), or `signal` aborts.
 */
export async function* reconnecting(
  source: FlowSource,
  signal: AbortSignal,
  { clock, random, onState }: ReconnectingOptions,
): AsyncGenerator<FlowBatch> {
  for (let failures = 0; !signal.aborted; ) {
    onState('running', '');
    const batches = source.batches(signal)[Symbol.asyncIterator]();
    let failure: Error | undefined;
    try {
      for (;;) {
        const next = await batches.next().catch((error: unknown) => {
          failure = error instanceof Error ? error : new Error(String(error));
          return { done: true } as const;
        });
        if (next.done === true) break;
        failures = 0;
        yield next.value;
      }
    } finally {
      await batches.return?.();
    }
    if (signal.aborted) return;
    if (failure === undefined) return onState('ended', '');
    if (isFinal(failure)) return onState('failed', failure.message);
    onState('retrying', failure.message);
    failures++;
    const chance = leastWait + (1 - leastWait) * random();
    await clock.sleep(backoffMs(failures, chance, backoff), signal).catch(() => undefined);
  }
}

function isFinal(failure: Error): boolean {
  return 'retryable' in failure && failure.retryable === false;
}
