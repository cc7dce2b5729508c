import test from 'ava';
import fc from 'fast-check';
import { AppliedNumbers } from '../../../controller/adapters/redis/applied-numbers.ts';
import { systemClock } from '../../../controller/adapters/system-clock.ts';

const now = 1_000;
const dayMs = 24 * 3_600_000;

function again(applied: AppliedNumbers, ...producers: readonly string[]): AppliedNumbers {
  return new AppliedNumbers(new Map(producers.map((producer) => [producer, applied.position(producer) as string])));
}

test('a number is applied once, however often it comes and whoever goes on after a restart', (t) => {
  const steps = fc.array(fc.record({ back: fc.nat({ max: 31 }), ahead: fc.nat({ max: 40 }), restarts: fc.boolean() }));
  fc.assert(
    fc.property(steps, (taken) => {
      let applied = new AppliedNumbers(new Map());
      const seen = new Set<number>();
      let highest = 1;
      for (const { back, ahead, restarts } of taken) {
        const number = back > 0 ? Math.max(1, highest - back) : highest + ahead;
        const isNew = !seen.has(number);
        t.is(applied.take('a', number, now), isNew, `${number} after ${[...seen].join(' ')}`);
        seen.add(number);
        if (seen.size === 1) highest = number;
        highest = Math.max(highest, number);
        if (restarts) applied = again(applied, 'a');
      }
    }),
  );
});

test('a number that is further back than can be told counts as applied', (t) => {
  const applied = new AppliedNumbers(new Map());
  t.true(applied.take('a', 100, now));
  t.false(applied.take('a', 67, now));
  t.true(applied.take('a', 68, now));
  t.true(applied.take('a', 133, now));
  t.false(applied.take('a', 100, now));
});

test('producers are told apart', (t) => {
  const applied = new AppliedNumbers(new Map());
  t.true(applied.take('a', 1, now));
  t.true(applied.take('b', 1, now));
  const later = again(applied, 'a', 'b');
  t.false(later.take('a', 1, now));
  t.false(later.take('b', 1, now));
  t.is(later.position('c'), undefined);
});

test('who was not heard of for a week is forgotten', (t) => {
  const applied = new AppliedNumbers(new Map());
  const start = systemClock.now();
  applied.take('old', 1, start);
  applied.take('new', 1, start + 6 * dayMs);
  t.deepEqual(applied.forget(start + 7 * dayMs), ['old']);
  t.is(applied.position('old'), undefined);
  t.not(applied.position('new'), undefined);
});

test('a position that cannot be read is as none', (t) => {
  const applied = new AppliedNumbers(new Map([['a', 'what is this']]));
  t.true(applied.take('a', 1, now));
});
