import test from 'ava';
import fc from 'fast-check';
import { ObservedTimes } from '../../../controller/adapters/conntrack/observed-times.ts';
import { minuteMs } from '../../support/sightings.ts';

const startMs = 1_800_000_000_000;
const half = minuteMs / 2;

function listening(): ObservedTimes {
  const times = new ObservedTimes('n1', minuteMs);
  times.begin();
  times.lookedAt(startMs, true);
  times.tableRead();
  return times;
}

test('each minute it is told that the node was observed, without a gap', (t) => {
  const times = listening();
  const told = [1, 2, 3, 4].map((look) => times.lookedAt(startMs + look * half, true));
  const of = (from: number) => ({
    source: 'conntrack' as const,
    node: 'n1',
    fromMs: startMs + from * minuteMs,
    toMs: startMs + (from + 1) * minuteMs,
  });
  t.deepEqual(told, [undefined, of(0), undefined, of(1)]);
});

test('nothing is told before the table was read; then of all the time since it listens', (t) => {
  const times = new ObservedTimes('n1', minuteMs);
  times.begin();
  t.is(times.lookedAt(startMs, true), undefined);
  t.is(times.lookedAt(startMs + minuteMs, true), undefined);
  times.tableRead();
  t.like(times.lookedAt(startMs + 2 * minuteMs, true), { fromMs: startMs, toMs: startMs + 2 * minuteMs });
});

test('of the time before a look that finds the node unobserved nothing is told, nor of that before it listens again', (t) => {
  const times = listening();
  t.is(times.lookedAt(startMs + half, true), undefined);
  t.is(times.lookedAt(startMs + minuteMs, false), undefined);
  t.like(times.lookedAt(startMs + 2 * minuteMs, true), { fromMs: startMs + minuteMs });
  times.begin();
  times.lookedAt(startMs + 4 * minuteMs, true);
  times.tableRead();
  t.like(times.lookedAt(startMs + 5 * minuteMs, true), { fromMs: startMs + 4 * minuteMs });
});

test('a clock that is set, or a machine that stood still, is not time that was watched', (t) => {
  const times = listening();
  const after = startMs + 24 * 60 * minuteMs;
  t.is(times.lookedAt(after, true), undefined);
  t.like(times.lookedAt(after + minuteMs, true), { fromMs: after });
  t.is(times.lookedAt(startMs, true), undefined);
  t.like(times.lookedAt(startMs + minuteMs, true), { fromMs: startMs });
});

test('what is told lies between looks that found everything seen, and is told once', (t) => {
  const look = fc.tuple(fc.integer({ min: 1, max: 3 * minuteMs }), fc.boolean());
  fc.assert(
    fc.property(fc.array(look), (looks) => {
      const times = listening();
      let nowMs = startMs;
      let reachedMs = startMs;
      let unseenMs = startMs;
      for (const [laterMs, watched] of looks) {
        nowMs += laterMs;
        if (!watched) unseenMs = nowMs;
        const told = times.lookedAt(nowMs, watched);
        if (told === undefined) continue;
        t.true(told.fromMs >= reachedMs && told.fromMs >= unseenMs && told.toMs === nowMs);
        reachedMs = told.toMs;
      }
    }),
  );
});
