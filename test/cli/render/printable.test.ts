import test from 'ava';
import { age } from '../../../cli/render/age.ts';
import { printable } from '../../../cli/render/printable.ts';

test('text of others cannot steer the terminal, and only where lines are meant keeps its line breaks', (t) => {
  t.is(printable('ok \u001b[2J\u0007\u009b31m\u202etxt\r\n'), 'ok ?[2J??31m?txt??');
  t.is(printable('a\n\tb\u001b', true), 'a\n\tb?');
  t.is(printable('Zoë, 日本語'), 'Zoë, 日本語');
});

test('an age is said in the largest unit that still says enough', (t) => {
  const now = Date.parse('2026-11-10T00:00:00Z');
  const ago = (seconds: number) => age(new Date(now - seconds * 1_000).toISOString(), now);
  t.deepEqual([-5, 0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(ago), [
    '0s',
    '0s',
    '119s',
    '2m',
    '119m',
    '2h',
    '47h',
    '2d',
  ]);
  t.is(age(undefined, now), 'unknown');
  t.is(age('yesterday', now), 'unknown');
});
