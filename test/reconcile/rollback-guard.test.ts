import test from 'ava';
import fc from 'fast-check';
import { type GuardedChange, type GuardedPod, guardVerdict } from '../../controller/reconcile/rollback-guard.ts';

const minuteMs = 60_000;
const appliedAtMs = Date.UTC(2026, 10, 20, 12);

const pod = (name: string, ready = true, minutes = -600): GuardedPod => ({
  name,
  ready,
  startMs: appliedAtMs + minutes * minuteMs,
});
const fresh = (name: string, ready: boolean) => pod(name, ready, 1);

function verdict(parts: Partial<GuardedChange> = {}) {
  return guardVerdict({
    guard: { durationMs: 10 * minuteMs, deniedConnections: 0, unreadyPods: 0 },
    appliedAtMs,
    nowMs: appliedAtMs + 2 * minuteMs,
    deniedBaseline: 0,
    readyBefore: ['a', 'b', 'c'],
    pods: [pod('a'), pod('b'), pod('c')],
    replicas: 3,
    ...parts,
  });
}

test('a change after which all is well is watched until the guard time is over', (t) => {
  t.deepEqual(verdict(), { kind: 'watching', againMs: 8 * minuteMs });
  t.deepEqual(verdict({ nowMs: appliedAtMs + 10 * minuteMs }), { kind: 'keep' });
});

test('a denied connection of the baseline takes the change back', (t) => {
  t.deepEqual(verdict({ deniedBaseline: 2 }), {
    kind: 'rollback',
    because: '2 connections of the baseline were denied, at most 0 may be (120 seconds after the change)',
  });
});

test('as many denied connections as the profile allows are kept', (t) => {
  const guard = { durationMs: 10 * minuteMs, deniedConnections: 2, unreadyPods: 0 };
  t.is(verdict({ guard, deniedBaseline: 2 }).kind, 'watching');
  t.is(verdict({ guard, deniedBaseline: 3 }).kind, 'rollback');
});

test('once the guard time is over nothing is taken back by itself', (t) => {
  const pods = [pod('a', false)];
  t.is(verdict({ nowMs: appliedAtMs + 11 * minuteMs, deniedBaseline: 9, pods }).kind, 'keep');
  t.is(verdict({ guard: { durationMs: 0, deniedConnections: 0, unreadyPods: 0 }, deniedBaseline: 9 }).kind, 'keep');
  t.is(verdict({ appliedAtMs: Number.NaN, deniedBaseline: 9 }).kind, 'keep');
});

test('a clock that went back does not make the guard time longer than it is', (t) => {
  t.deepEqual(verdict({ nowMs: appliedAtMs - 60 * minuteMs }), { kind: 'watching', againMs: 10 * minuteMs });
});

const readiness: readonly (readonly [claim: string, kind: 'watching' | 'rollback', parts: Partial<GuardedChange>])[] = [
  ['a pod that is there and not ready any more', 'rollback', { pods: [pod('a'), pod('b', false), pod('c')] }],
  ['a pod that is gone, which no policy brings about', 'watching', { pods: [pod('a'), pod('b')] }],
  [
    'a pod that its owner takes away',
    'watching',
    { pods: [pod('a'), pod('b'), { ...pod('c', false), terminating: true }] },
  ],
  ['a pod whose successor still starts', 'watching', { pods: [pod('a'), pod('b'), fresh('d', false)] }],
  [
    'a pod whose successor has no start yet',
    'watching',
    { pods: [pod('a'), pod('b'), { ...pod('d', false), startMs: undefined }] },
  ],
  [
    'a pod of a StatefulSet that is made anew under its name',
    'watching',
    { pods: [pod('a'), pod('b'), fresh('c', false)] },
  ],
  ['a rollout in its middle', 'watching', { pods: [pod('a'), fresh('d', true), fresh('e', false)] }],
  [
    'a rollout that takes the old pods away first',
    'watching',
    { pods: ['a', 'b', 'c'].map((name) => ({ ...pod(name, false), terminating: true })) },
  ],
  ['a rollout that is done', 'watching', { pods: [fresh('d', true), fresh('e', true), fresh('f', true)] }],
  [
    'a rollout with one old pod that failed',
    'rollback',
    { pods: [pod('a', false), fresh('d', true), fresh('e', false)] },
  ],
  [
    'an unready pod beside enough ready ones',
    'watching',
    { pods: [pod('a', false), pod('b'), pod('c'), fresh('d', true)] },
  ],
  ['a workload that is made smaller', 'watching', { replicas: 1, pods: [pod('a')] }],
  ['a workload that is switched off', 'watching', { replicas: 0, pods: [] }],
  [
    'a workload that is made larger',
    'watching',
    { replicas: 5, pods: [pod('a'), pod('b'), pod('c'), fresh('d', false)] },
  ],
  [
    'a DaemonSet with a pod that is not ready',
    'rollback',
    { replicas: undefined, pods: [pod('a'), pod('b', false), pod('c')] },
  ],
  ['a workload of which no pod was ready before', 'watching', { readyBefore: [], pods: [pod('a', false)] }],
  ['a pod that was not ready before either', 'watching', { readyBefore: ['a'], pods: [pod('a'), pod('b', false)] }],
];

for (const [claim, kind, parts] of readiness) {
  test(`${claim}: ${kind === 'rollback' ? 'the change is taken back' : 'the change stays'}`, (t) => {
    t.is(verdict(parts).kind, kind);
  });
}

test('what is told counts the pods', (t) => {
  const verdictOf = verdict({ pods: [pod('a', false), pod('b', false), pod('c')] });
  t.deepEqual(verdictOf, {
    kind: 'rollback',
    because: '2 pods that were ready before are not ready any more, at most 0 may be (120 seconds after the change)',
  });
});

const names = ['a', 'b', 'c', 'd', 'e'];
const anyPods = fc.subarray(names).chain((chosen) =>
  fc.tuple(
    ...chosen.map((name) =>
      fc.record({
        name: fc.constant(name),
        ready: fc.boolean(),
        startMs: fc.constantFrom(undefined, appliedAtMs - 1, appliedAtMs + 1),
      }),
    ),
  ),
);
const anyChange = fc.record({
  readyBefore: fc.subarray(names),
  pods: anyPods,
  replicas: fc.constantFrom(undefined, 0, 1, 3, 5),
});

test('while as many pods are ready as before, readiness takes nothing back', (t) => {
  fc.assert(
    fc.property(anyChange, (parts) => {
      const ready = parts.pods.filter((one) => one.ready).length;
      if (ready >= parts.readyBefore.length) t.is(verdict(parts).kind, 'watching');
    }),
  );
});

test('a pod that becomes ready never makes it worse', (t) => {
  fc.assert(
    fc.property(anyChange, fc.nat(4), (parts, i) => {
      const pods = parts.pods.map((one, at) => (at === i ? { ...one, ready: true } : one));
      if (verdict(parts).kind === 'watching') t.is(verdict({ ...parts, pods }).kind, 'watching');
    }),
  );
});
