import test from 'ava';
import fc from 'fast-check';
import { isoText } from '../../controller/view/iso-text.ts';

test('every time is written as a Date would write it', (t) => {
  const times = fc.oneof(fc.double({ min: -8.64e15, max: 8.64e15, noNaN: true }), fc.integer({ min: 0, max: 4e12 }));
  fc.assert(
    fc.property(fc.array(times, { maxLength: 20 }), (all) => {
      for (const ms of all) t.is(isoText(ms), new Date(ms).toISOString());
    }),
  );
  for (const ms of [0, 86_399_999, 86_400_000, -1, Date.UTC(9999, 11, 31, 23, 59, 59, 999), Date.UTC(2024, 1, 29)]) {
    t.is(isoText(ms), new Date(ms).toISOString());
  }
});
