/** How often each connection of a sample was seen, counted in time bins. */
export interface Incidences {
  /** Time bins of the window, T. */
  readonly bins: number;
  /** Per distinct connection, in how many bins it was seen. */
  readonly counts: readonly number[];
}

export interface CoverageEstimate {
  /** Estimated share of the traffic's incidences that belong to connections already seen, 0 to 1. */
  readonly coverage: number;
  /** Estimated least number of connections not seen yet. */
  readonly unseen: number;
}

/** What was seen in one bin alone may be anything. */
export const fewestBins = 2;

/**
 * Sample coverage from incidences (A. Chao and L. Jost, Ecology 93, 2012) and the Chao2 lower bound of what was not seen
 * (A. Chao, Biometrics 43, 1987). With Q1 connections seen in exactly one bin, Q2 in exactly two and U incidences:
 * `C = 1 - Q1/U * (T-1)Q1 / ((T-1)Q1 + 2 Q2)`. Counts that are too low only lower the coverage as long as ones and twos
 * are exact. `unknown` with fewer bins than `leastBins`, or nothing seen.
 */
export function estimateCoverage({ bins, counts }: Incidences, leastBins: number): CoverageEstimate | 'unknown' {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0 || bins < Math.max(leastBins, fewestBins)) return 'unknown';
  const once = counts.filter((count) => count === 1).length;
  const twice = counts.filter((count) => count === 2).length;
  if (once === 0) return { coverage: 1, unseen: 0 };
  const known = (bins - 1) * once;
  const coverage = 1 - (once / total) * (known / (known + 2 * twice));
  const pairs = twice > 0 ? once ** 2 / (2 * twice) : (once * (once - 1)) / 2;
  return { coverage, unseen: ((bins - 1) / bins) * pairs };
}
