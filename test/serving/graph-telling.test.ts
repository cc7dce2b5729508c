import test from 'ava';
import { EventRing } from '../../controller/adapters/http/api/event-ring.ts';
import { GraphTelling } from '../../controller/serving/graph-telling.ts';

/** Something changes all the time, and telling it takes as long as `costMs` says. */
function world(costMs: number) {
  let nowMs = 1_000;
  const ring = new EventRing('e0', () => undefined);
  let taken = 0;
  const telling = new GraphTelling({
    live: () => ({ takeChanged: () => [taken++] }),
    streams: { tell: () => void (nowMs += costMs) },
    clock: { now: () => nowMs, sleep: () => Promise.reject(new Error('nobody sleeps here')) },
  });
  const tellFor = (ms: number) => {
    const endMs = nowMs + ms;
    for (; nowMs < endMs; nowMs += 500) telling.tell(ring);
    return ring.sequence;
  };
  return { tellFor };
}

test('what costs nothing is told each time, and what is dear so seldom that it takes a small share of the time', (t) => {
  t.is(world(0).tellFor(60_000), 120);
  const times = world(200).tellFor(60_000);
  t.true(times >= 5 && times * 200 < 60_000 * 0.04, `${times} times`);
});

test('however dear it is, it is told again', (t) => {
  t.true(world(30_000).tellFor(1_000_000) >= 5);
});
