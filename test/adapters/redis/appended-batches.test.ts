import test from 'ava';
import { AppendedBatches } from '../../../controller/adapters/redis/appended-batches.ts';

const batch = (number: number) => ({ producer: 'a', number, text: 'x'.repeat(10) });

function filled(mostBytes: number, count: number): AppendedBatches {
  const appended = new AppendedBatches(mostBytes);
  for (let i = 1; i <= count; i++) appended.add(batch(i), i, `1000-${i}`, i);
  return appended;
}

test('what the server has not got any more is given back, in its order', (t) => {
  const appended = filled(1000, 5);
  t.deepEqual(appended.takeAfter(3), { batches: [batch(4), batch(5)], gone: 0 });
  t.deepEqual(appended.takeAfter(3), { batches: [], gone: 0 });
  t.is(appended.size, 3);
});

test('what was applied is kept until a replica must have heard of it, and not for longer', (t) => {
  const appended = filled(1000, 12);
  appended.appliedBefore('1000-10', 10_000);
  t.is(appended.size, 12);
  appended.appliedBefore('1000-10', 10_005);
  t.is(appended.size, 7);
  appended.appliedBefore('1000-10', 20_000);
  t.is(appended.size, 3);
  appended.appliedBefore('999-99', 20_000);
  t.is(appended.size, 3);
  appended.appliedBefore(undefined, 20_000);
  t.is(appended.size, 0);
  t.deepEqual(appended.takeAfter(3), { batches: [], gone: 0 });
});

test('what does not fit is let go of, and is missed only where it was lost', (t) => {
  t.deepEqual(filled(30, 5).takeAfter(2), { batches: [batch(3), batch(4), batch(5)], gone: 0 });
  t.deepEqual(filled(30, 5).takeAfter(0), { batches: [batch(3), batch(4), batch(5)], gone: 2 });
  const known = filled(30, 5);
  known.takeAfter(0);
  t.deepEqual(known.takeAfter(0), { batches: [], gone: 0 });
});
