import type { Clock, FlowBatch, FlowSource } from './ports.ts';

/** How reading a source goes: it has no more, asking again cannot help, or it is asked again soon. */
export type SourceState = 'running' | 'ended' | 'failed' | 'retrying';

export interface ReconnectingOptions {
  readonly clock: Clock;
  /** From 0 up to 1: what else was cut off at the same moment does not come back at the same moment. */
  readonly random: () => number;
  /** Called at every change, with the reason in words, which is empty while it runs. */
  readonly onState: (state: SourceState, message: string) => void;
}

const firstRetryMs = 1_000;
const longestRetryMs = 60_000;

/**
 * The batches of a source across its failures: it is asked again after a pause that doubles up to a minute, until it ends,
 * says that asking again cannot help (`retryable: false`), or `signal` aborts.
 */
export async function* reconnecting(
  source: FlowSource,
  signal: AbortSignal,
  { clock, random, onState }: ReconnectingOptions,
): AsyncGenerator<FlowBatch> {
  for (let failures = 0; !signal.aborted; failures++) {
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
    const delayMs = Math.min(firstRetryMs * 2 ** failures, longestRetryMs);
    await clock.sleep(delayMs * (0.5 + random() / 2), signal).catch(() => undefined);
  }
}

function isFinal(failure: Error): boolean {
  return 'retryable' in failure && failure.retryable === false;
}
