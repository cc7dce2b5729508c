import test from 'ava';
import { missedRun, missedStart, missedWeekdays } from '../../controller/learning/obligations.ts';
import type { CronSchedule } from '../../controller/model/workload.ts';
import { buildCluster } from '../support/build-cluster.ts';
import { dayMs, hourMs, minuteMs, mondayMs } from '../support/sightings.ts';

const day = { firstMs: mondayMs, lastMs: mondayMs + dayMs };

function cronJob(schedule: Partial<CronSchedule> = {}) {
  const full = { expression: '0 3 * * *', timeZone: undefined, suspended: false, ...schedule };
  const cluster = buildCluster([
    { kind: 'CronJob', name: 'nightly-report', labels: {}, selector: undefined, schedule: full },
  ]);
  const [workload] = cluster.workloads.values();
  if (workload === undefined) throw new Error('no workload');
  return workload;
}

function podsStarted(...starts: readonly (number | undefined)[]) {
  return buildCluster([
    { name: 'web', labels: { app: 'web' }, pods: starts.map((startMs, i) => ({ name: `web-${i}`, startMs })) },
  ]).pods;
}

test('a CronJob without traffic or a pod since it was due has not run yet', (t) => {
  const due = mondayMs + 3 * hourMs;
  t.regex(
    missedRun(cronJob(), [], undefined, day) ?? '',
    /^CronJob nightly-report has not run yet .*2026-01-05T03:00:00Z/,
  );
  t.truthy(missedRun(cronJob(), podsStarted(due - 1), due - 1, day));
  t.truthy(missedRun(cronJob(), podsStarted(day.lastMs + 1), undefined, day));
  t.is(missedRun(cronJob(), [], due + minuteMs, day), undefined);
  t.is(missedRun(cronJob(), podsStarted(due), undefined, day), undefined);
});

test('a CronJob whose schedule has no time in the window has not run yet', (t) => {
  const message = missedRun(cronJob({ expression: '0 3 1 * *' }), [], mondayMs + hourMs, day);
  t.regex(message ?? '', /next due at 2026-02-01T03:00:00Z/);
});

test('a schedule is read in its time zone', (t) => {
  const message = missedRun(cronJob({ timeZone: 'Europe/Berlin' }), [], undefined, day);
  t.regex(message ?? '', /2026-01-05T02:00:00Z/);
});

test('a run that is due at the first moment of the window counts', (t) => {
  t.is(missedRun(cronJob({ expression: '0 0 * * *' }), [], mondayMs + minuteMs, day), undefined);
});

test('a suspended CronJob and a date that never comes are no obligation', (t) => {
  t.is(missedRun(cronJob({ suspended: true }), [], undefined, day), undefined);
  t.is(missedRun(cronJob({ expression: '0 0 31 2 *' }), [], undefined, day), undefined);
});

test('a schedule that cannot be read keeps the obligation open', (t) => {
  for (const schedule of [{ expression: '@every 1h' }, { expression: 'at dawn' }, { timeZone: 'Nowhere/City' }]) {
    t.regex(missedRun(cronJob(schedule), [], mondayMs, day) ?? '', /cannot be read/);
  }
});

test('a question mark in a schedule means any, as Kubernetes reads it', (t) => {
  t.regex(missedRun(cronJob({ expression: '? ? * * *' }), [], undefined, day) ?? '', /2026-01-05T00:00:00Z/);
});

test('a start-up is seen when a pod started inside of the window', (t) => {
  t.is(missedStart(podsStarted(mondayMs - 1, mondayMs + hourMs), day), undefined);
  t.regex(missedStart(podsStarted(mondayMs - 1, day.lastMs + 1, undefined), day) ?? '', /no pod of it started/);
});

test('a workload without real pods has no start-up to see', (t) => {
  const { pods } = buildCluster([{ name: 'web', labels: { app: 'web' } }]);
  t.regex(missedStart(pods, day) ?? '', /no pods/);
});

test('a weekday is held by 23 of its hours, in one piece or more', (t) => {
  const week = { firstMs: mondayMs + 10 * hourMs, lastMs: mondayMs + 7 * dayMs + 10 * hourMs };
  t.deepEqual(missedWeekdays([0, 1, 2, 3, 4, 5, 6], week), []);
  const work = { firstMs: mondayMs, lastMs: mondayMs + 5 * dayMs + 22 * hourMs };
  t.deepEqual(missedWeekdays([0, 1, 6], work), ['Sunday', 'Saturday']);
  t.deepEqual(missedWeekdays([], work), []);
});
