export interface BackoffLimits {
  /** The longest wait after the first failure. */
  readonly firstMs: number;
  /** The longest wait after any number of failures. */
  readonly mostMs: number;
}

export const defaultBackoff: BackoffLimits = { firstMs: 500, mostMs: 60_000 };

/**
 * Milliseconds to wait after the given number of failures in a row, from 1: any length up to a limit that doubles with
 * each of them, so that keys that failed together do not come back together. `random` is in [0, 1). Full jitter of
 * Brooker, "Exponential Backoff And Jitter" (2015).
 */
export function backoffMs(failures: number, random: number, { firstMs, mostMs }: BackoffLimits): number {
  return random * Math.min(mostMs, firstMs * 2 ** (failures - 1));
}
