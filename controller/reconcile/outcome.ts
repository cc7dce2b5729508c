import type { Problem } from '../model/problem.ts';

/** How a look at one key ended, and so when the next one is due. */
export type Outcome =
  /** All is as it should be: the next change wakes the key. */
  | { readonly kind: 'done' }
  /** All is as it should be, and time alone will change that. */
  | { readonly kind: 'after'; readonly delayMs: number }
  /** It may go well without anybody changing anything: again, later each time. */
  | { readonly kind: 'retry'; readonly error: Error }
  /** Somebody has to change something first. */
  | { readonly kind: 'stop'; readonly problem: Problem };

export const done: Outcome = { kind: 'done' };

export function after(delayMs: number): Outcome {
  return { kind: 'after', delayMs };
}

export function retry(error: Error): Outcome {
  return { kind: 'retry', error };
}

export function stop(problem: Problem): Outcome {
  return { kind: 'stop', problem };
}
