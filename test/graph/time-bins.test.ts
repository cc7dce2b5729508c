import test from 'ava';
import fc from 'fast-check';
import { binLimit, type BinSet, binWidths, foldBin, unionBins } from '../../controller/graph/time-bins.ts';

const widths = binWidths(300_000);
const empty: BinSet = { level: 0, bins: [] };
const one = (bin: number): BinSet => ({ level: 0, bins: [bin] });
const setOf = (bins: readonly number[]) => bins.reduce((set, bin) => unionBins(widths, set, one(bin)), empty);
const anyBins = fc.array(fc.oneof(fc.integer({ min: 0, max: 600 }), fc.integer({ min: 0, max: 4_000_000 })), {
  maxLength: 30,
});

test('the union of bins does not depend on order, grouping or repetition', (t) => {
  fc.assert(
    fc.property(anyBins, anyBins, anyBins, (a, b, c) => {
      const [x, y, z] = [setOf(a), setOf(b), setOf(c)];
      const union = (left: BinSet, right: BinSet) => unionBins(widths, left, right);
      t.deepEqual(union(x, y), union(y, x));
      t.deepEqual(union(union(x, y), z), union(x, union(y, z)));
      t.deepEqual(union(x, x), x);
      t.deepEqual(union(x, y), setOf([...b, ...a]));
    }),
  );
});

test('bins are kept at the finest level at which they fit', (t) => {
  fc.assert(
    fc.property(anyBins, (bins) => {
      const { level, bins: kept } = setOf(bins);
      const at = (wanted: number) =>
        [...new Set(bins.map((bin) => foldBin(widths, 0, wanted, bin)))].sort((a, b) => a - b);
      t.deepEqual(kept, at(level));
      t.true(kept.length <= binLimit);
      if (level > 0) t.true(at(level - 1).length > binLimit);
    }),
  );
});

test('five minutes fold into hours, hours into days, days into pairs of days', (t) => {
  t.deepEqual(widths.slice(0, 5), [300_000, 3_600_000, 86_400_000, 172_800_000, 345_600_000]);
  t.deepEqual(setOf([0, 1, 2, 3, 4, 5, 6, 7, 8]), { level: 1, bins: [0] });
});

test('a finest bin that is no whole number of seconds is refused', (t) => {
  for (const width of [0, -1000, 1500, Number.NaN]) t.throws(() => binWidths(width), { instanceOf: RangeError });
});

test('a finest bin wider than an hour is followed by wider ones only', (t) => {
  t.deepEqual(binWidths(7_200_000).slice(0, 3), [7_200_000, 86_400_000, 172_800_000]);
});
