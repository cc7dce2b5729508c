const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Up to this many bins are kept per connection before they are folded into wider ones. */
export const binLimit = 8;

/** A set of time bins: ascending indexes of bins that are `widths[level]` ms wide, counted from 1970. */
export interface BinSet {
  readonly level: number;
  readonly bins: readonly number[];
}

/**
 * Bin widths in ms, each level wider than the one before: the finest, hours, days, then powers of two of days up to
 * where all of time fits into one bin. Throws RangeError when the finest is no whole number of seconds.
 */
export function binWidths(finestMs: number): readonly number[] {
  if (!Number.isInteger(finestMs / 1000) || finestMs <= 0) {
    throw new RangeError(`time bins must be whole seconds, got ${finestMs} ms`);
  }
  const widths = [finestMs];
  for (let width = hourMs; width < 2 ** 53; width = width === hourMs ? dayMs : width * 2) {
    if (width > finestMs) widths.push(width);
  }
  return widths;
}

/** The bin at a coarser level that a bin falls into, by the bin's start. */
export function foldBin(widths: readonly number[], from: number, to: number, bin: number): number {
  return from === to ? bin : Math.floor((bin * (widths[from] ?? 1)) / (widths[to] ?? 1));
}

/**
 * The union at the finest level at which no more than `limit` bins remain. What comes out depends only on which finest
 * bins went in, never on order, grouping or repetition: folding and union commute, and a set that is too large at some
 * level stays so when more is added.
 */
export function unionBins(widths: readonly number[], a: BinSet, b: BinSet, limit = binLimit): BinSet {
  let level = Math.max(a.level, b.level);
  let bins = distinct([
    ...a.bins.map((bin) => foldBin(widths, a.level, level, bin)),
    ...b.bins.map((bin) => foldBin(widths, b.level, level, bin)),
  ]);
  while (bins.length > limit && level + 1 < widths.length) {
    bins = distinct(bins.map((bin) => foldBin(widths, level, level + 1, bin)));
    level++;
  }
  return { level, bins };
}

function distinct(bins: readonly number[]): number[] {
  return [...new Set(bins)].sort((a, b) => a - b);
}
