import test from 'ava';
import fc from 'fast-check';
import { AppliedNumbers } from '../../../controller/adapters/redis/applied-numbers.ts';
import { systemClock } from '../../../controller/adapters/system-clock.ts';

const now = 1_000;
const dayMs = 24 * 3_600_000;

function again(applied: AppliedNumbers, ...producers: readonly string[]): AppliedNumbers {
  return new AppliedNumbers(new Map(producers.map((producer) => [producer, applied.position(producer) as string])));
}

test('a number is applied once, in whatever order it comes and whoever goes on after a restart', (t) => {
  const steps = fc.array(fc.record({ number: fc.integer({ min: 1, max: 60 }), restarts: fc.boolean() }));
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 1_000_000 }), (taken, unit) => {
      let applied = new AppliedNumbers(new Map());
      const seen = new Set<number>();
      for (const { number, restarts } of taken) {
        t.is(applied.take('a', number * unit, now), !seen.has(number), `${number} after ${[...seen].join(' ')}`);
        seen.add(number);
        if (restarts) applied = again(applied, 'a');
      }
    }),
  );
});

test('a number that comes after more than can be told apart counts as applied', (t) => {
  const applied = new AppliedNumbers(new Map());
  for (let number = 100; number < 164; number++) t.true(applied.take('a', number, now));
  t.true(applied.take('a', 98, now));
  t.false(applied.take('a', 98, now));
  t.false(applied.take('a', 97, now), 'it may have been one of those that were told apart before');
  t.true(applied.take('a', 1_000, now));
  t.false(applied.take('a', 100, now));
  t.false(again(applied, 'a').take('a', 99, now));
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
