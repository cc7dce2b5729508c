/** One figure of a benchmark, as a row of the table that `npm run bench` prints. */
export interface Figure {
  readonly what: string;
  /** One value per round. */
  readonly values: readonly number[];
  readonly unit: string;
  /** The row that this one is compared with, by its `what`. */
  readonly baseline: string | undefined;
  /** What it has to reach, in words, and whether it did. */
  readonly bar: { readonly text: string; readonly met: boolean } | undefined;
}

/** A benchmark: a module of this folder exports one as `bench`, and `main.ts` lists it. */
export interface Bench {
  readonly name: string;
  /** What it measures and on what, in a line. */
  readonly title: string;
  run(): Promise<readonly Figure[]>;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Median (of an even number of values: the lower middle one), least and most. */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const [min = Number.NaN] = sorted;
  return { median: sorted[(sorted.length - 1) >> 1] ?? Number.NaN, min, max: sorted.at(-1) ?? Number.NaN };
}

/**
 * Rates in units of work per second: every contestant once per round, in turn, so that what slows the machine down slows
 * all of them. The first round warms up and is not counted. A contestant returns how many units it did.
 */
export async function rates(
  contestants: Readonly<Record<string, () => number | Promise<number>>>,
  rounds: number,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const results = new Map<string, number[]>();
  for (let round = 0; round <= rounds; round++) {
    for (const [name, work] of Object.entries(contestants)) {
      globalThis.gc?.();
      const start = performance.now();
      const units = await work();
      const seconds = (performance.now() - start) / 1000;
      if (round > 0) results.set(name, [...(results.get(name) ?? []), units / seconds]);
    }
  }
  return results;
}

/** Bytes that are alive now, inside and outside of the JavaScript heap, after everything dead has been collected. */
export function liveBytes(): number {
  if (globalThis.gc === undefined) throw new Error('memory can only be measured with node --expose-gc');
  for (let i = 0; i < 3; i++) globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** The figures as aligned text; ratios are of medians. */
export function table(figures: readonly Figure[]): string {
  const rows = figures.map(({ what, values, unit, baseline, bar }) => {
    const { median, min, max } = spread(values);
    const base = figures.find((figure) => figure.what === baseline);
    const ratio = base === undefined ? '' : `${(median / spread(base.values).median).toFixed(2)}x of ${base.what}`;
    const range = values.length > 1 ? `${number(min)}–${number(max)}` : '';
    const verdict = bar === undefined ? '' : `${bar.text}: ${bar.met ? 'met' : 'NOT MET'}`;
    return [what, `${number(median)} ${unit}`, range, ratio, verdict];
  });
  const lines = [['', 'median', 'min–max', 'ratio', 'bar'], ...rows];
  const widths = [0, 1, 2, 3].map((i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function number(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });
}
