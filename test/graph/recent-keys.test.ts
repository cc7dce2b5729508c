import test from 'ava';
import fc from 'fast-check';
import { RecentKeys } from '../../controller/graph/recent-keys.ts';

const anyWord = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 0xffff_ffff }));

test('a key is new exactly once as long as the capacity is not exceeded', (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(anyWord, anyWord), { maxLength: 200 }), (keys) => {
      const recent = new RecentKeys(1000);
      const seen = new Set<string>();
      for (const [high, low] of keys) {
        // (0, 0) is stored as (0, 1): one collision among 2^64.
        const name = `${high}/${high === 0 && low === 0 ? 1 : low}`;
        t.is(recent.add(high, low), !seen.has(name));
        seen.add(name);
      }
    }),
  );
});

test('the latest keys are remembered and the oldest forgotten', (t) => {
  const recent = new RecentKeys(5000);
  for (let i = 1; i <= 20_000; i++) t.true(recent.add(i, i * 7));
  for (let i = 15_001; i <= 20_000; i++) t.false(recent.add(i, i * 7), `key ${i}`);
  t.true(recent.add(1, 7));
});

test('a set that is told all of another one remembers the same, whatever was taken from it before', (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(anyWord, anyWord), { maxLength: 60 }), fc.nat(60), (keys, taken) => {
      const recent = new RecentKeys(10, true);
      for (const [i, [high, low]] of keys.entries()) {
        if (i === taken) recent.takeAdded();
        recent.add(high, low);
      }
      const other = new RecentKeys(10);
      other.restore(recent.takeAll());
      t.deepEqual(recent.takeAdded(), []);
      for (const [high, low] of keys) t.is(other.add(high, low), recent.add(high, low));
    }),
  );
});
