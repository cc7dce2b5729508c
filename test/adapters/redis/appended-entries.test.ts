import test from 'ava';
import { AppendedEntries } from '../../../controller/adapters/redis/appended-entries.ts';

const entry = (number: number) => ({ producer: 'a', number, text: 'x'.repeat(10) });

function filled(mostBytes: number, count: number): AppendedEntries {
  const entries = new AppendedEntries(mostBytes);
  for (let i = 1; i <= count; i++) entries.add(entry(i), i, `1000-${i}`, i);
  return entries;
}

test('what the server has not got any more is given back, in its order', (t) => {
  const entries = filled(1000, 5);
  t.deepEqual(entries.takeAfter(3), { entries: [entry(4), entry(5)], gone: 0 });
  t.deepEqual(entries.takeAfter(3), { entries: [], gone: 0 });
  t.is(entries.size, 3);
});

test('what was applied is kept until a replica must have heard of it, and not for longer', (t) => {
  const entries = filled(1000, 12);
  entries.appliedBefore('1000-10', 10_000);
  t.is(entries.size, 12);
  entries.appliedBefore('1000-10', 10_005);
  t.is(entries.size, 7);
  entries.appliedBefore('1000-10', 20_000);
  t.is(entries.size, 3);
  entries.appliedBefore('999-99', 20_000);
  t.is(entries.size, 3);
  entries.appliedBefore(undefined, 20_000);
  t.is(entries.size, 0);
  t.deepEqual(entries.takeAfter(3), { entries: [], gone: 0 });
});

test('what does not fit is let go of, and is missed only where it was lost', (t) => {
  t.deepEqual(filled(30, 5).takeAfter(2), { entries: [entry(3), entry(4), entry(5)], gone: 0 });
  t.deepEqual(filled(30, 5).takeAfter(0), { entries: [entry(3), entry(4), entry(5)], gone: 2 });
  const known = filled(30, 5);
  known.takeAfter(0);
  t.deepEqual(known.takeAfter(0), { entries: [], gone: 0 });
});
