import test from 'ava';
import { type ClosedNamespace, planAllowances } from '../../controller/reconcile/plan-allowances.ts';

const nowMs = Date.UTC(2026, 10, 1, 12);
const hourMs = 3_600_000;
const iso = (ms: number) => new Date(ms).toISOString();

function closed(facts: Partial<ClosedNamespace> = {}): ClosedNamespace {
  return {
    closed: true,
    rules: { propose: true, newWorkloads: 'learn', learnForMs: 24 * hourMs },
    unprotected: ['Deployment/new'],
    newcomers: {},
    stored: new Map(),
    nowMs,
    ...facts,
  };
}

test('a newcomer may learn from the moment it is known, for as long as the profile says', (t) => {
  const { newcomers, write, remove } = planAllowances(closed());
  t.deepEqual(newcomers, { 'Deployment/new': iso(nowMs) });
  t.deepEqual([...write], [['Deployment/new', iso(nowMs + 24 * hourMs)]]);
  t.deepEqual(remove, []);
});

test('nothing is written where newcomers are denied, or the namespace is not closed', (t) => {
  const rules = { propose: true, newWorkloads: 'deny' as const, learnForMs: hourMs };
  t.is(planAllowances(closed({ rules })).write.size, 0);
  t.is(planAllowances(closed({ closed: false })).write.size, 0);
});

test('an allowance ends on time, and does not begin again', (t) => {
  const newcomers = { 'Deployment/new': iso(nowMs - 24 * hourMs) };
  const stored = new Map([['Deployment/new', { policy: 'nanoseg-learning-new', expires: iso(nowMs) }]]);
  const ended = planAllowances(closed({ newcomers, stored }));
  t.is(ended.write.size, 0);
  t.like(ended.remove, [{ policy: 'nanoseg-learning-new', because: 'its time to learn is over' }]);
  const later = planAllowances(closed({ newcomers: ended.newcomers, nowMs: nowMs + hourMs }));
  t.is(later.write.size, 0);
});

test('a time that nobody can read is over', (t) => {
  t.is(planAllowances(closed({ newcomers: { 'Deployment/new': 'soon' } })).write.size, 0);
});

test('an allowance that says another end is written again, and one of a protected workload is removed', (t) => {
  const newcomers = { 'Deployment/new': iso(nowMs) };
  const stored = new Map([['Deployment/new', { policy: 'nanoseg-learning-new', expires: iso(nowMs + 99 * hourMs) }]]);
  t.deepEqual([...planAllowances(closed({ newcomers, stored })).write], [['Deployment/new', iso(nowMs + 24 * hourMs)]]);
  const own = planAllowances(closed({ newcomers, stored, unprotected: [] }));
  t.like(own.remove, [{ workload: 'Deployment/new', because: 'it has a policy of its own, or is gone' }]);
  t.deepEqual(own.newcomers, {});
});
