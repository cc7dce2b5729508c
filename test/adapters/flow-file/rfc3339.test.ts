import test from 'ava';
import fc from 'fast-check';
import { parseRfc3339 } from '../../../controller/adapters/flow-file/rfc3339.ts';

test('every time from 1970 to 2199 is read as Date reads it', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: Date.UTC(2200, 0, 1) - 1 }), (timeMs) => {
      t.is(parseRfc3339(new Date(timeMs).toISOString()), timeMs);
    }),
    { numRuns: 1000 },
  );
});

test('fractions are cut off, offsets applied, small letters and a space allowed', (t) => {
  const second = Date.UTC(2026, 6, 31, 10, 41, 2);
  t.is(parseRfc3339('2026-07-31T10:41:02Z'), second);
  t.is(parseRfc3339('2026-07-31T10:41:02.999999999Z'), second + 999);
  t.is(parseRfc3339('2026-07-31T10:41:02.5z'), second + 500);
  t.is(parseRfc3339('2026-07-31 12:11:02.05+01:30'), second + 50);
  t.is(parseRfc3339('2026-07-31t05:41:02-05:00'), second);
  t.is(parseRfc3339('2016-12-31T23:59:60Z'), Date.UTC(2017, 0, 1));
  t.is(parseRfc3339('2024-02-29T00:00:00Z'), Date.UTC(2024, 1, 29));
});

test('what is no time, or none of our centuries, is refused', (t) => {
  for (const text of [
    '',
    '2026-07-31',
    '2026-07-31T10:41:02',
    '2026-07-31T10:41:02.Z',
    '2026-02-29T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-07-31T24:00:00Z',
    '2026-07-31T10:60:00Z',
    '2026-07-31T10:41:02Zulu',
    '2026-07-31T10:41:02+2:00',
    '2026-07-31T10:41:02+25:00',
    '2026/07/31T10:41:02Z',
    '2026-07-31X10:41:02Z',
    '1969-12-31T23:59:59Z',
    '2200-01-01T00:00:01Z',
    '20２6-07-31T10:41:02Z',
  ]) {
    t.is(parseRfc3339(text), undefined, text);
  }
});
