import { Cron } from 'croner';
import type { Pod } from '../model/cluster.ts';
import type { Workload } from '../model/workload.ts';

/** The window of observation, first to last flow. */
export interface Span {
  readonly firstMs: number;
  readonly lastMs: number;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** A weekday counts as seen with an hour of it missing: windows do not begin and end at midnight to the minute. */
const wholeDayMs = 23 * hourMs;
const dayNames = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const;

/**
 * Why a CronJob has not been seen to run, in words; undefined when it has, or when it is suspended or no CronJob. It ran
 * when a time of its schedule lies in the window and a pod or traffic of it was seen after that. `lastSeenMs` is the
 * last traffic of it. Without a time zone the schedule is read as UTC, the usual zone of a control plane.
 */
export function missedRun(
  { schedule, name }: Workload,
  pods: readonly Pod[],
  lastSeenMs: number | undefined,
  { firstMs, lastMs }: Span,
): string | undefined {
  if (schedule === undefined || schedule.suspended) return undefined;
  const { expression, timeZone } = schedule;
  let due: number | undefined;
  try {
    const cron = new Cron(expression.replaceAll('?', '*'), { timezone: timeZone ?? 'UTC', mode: '5-part' });
    due = cron.nextRun(new Date(firstMs - 1))?.getTime();
  } catch {
    return `CronJob ${name} has a schedule that cannot be read (${expression}${timeZone ? `, ${timeZone}` : ''})`;
  }
  if (due === undefined) return undefined;
  const text = new Date(due).toISOString().replace('.000Z', 'Z');
  if (due > lastMs) return `CronJob ${name} has not run yet (its schedule ${expression} is next due at ${text})`;
  const started = pods.some(({ startMs }) => startMs !== undefined && startMs >= due && startMs <= lastMs);
  if (started || (lastSeenMs !== undefined && lastSeenMs >= due)) return undefined;
  return `CronJob ${name} has not run yet (it was due at ${text}, and neither a pod nor traffic of it was seen since)`;
}

/** Why the start of a workload has not been seen, in words; undefined when it has. */
export function missedStart(pods: readonly Pod[], { firstMs, lastMs }: Span): string | undefined {
  const real = pods.filter(({ virtual }) => !virtual);
  if (real.length === 0)
    return 'its start-up has not been seen (the inventory has no pods of it: add a dump of the pods, or set learning.startUps to false)';
  const seen = real.some(({ startMs }) => startMs !== undefined && startMs >= firstMs && startMs <= lastMs);
  return seen ? undefined : 'its start-up has not been seen (no pod of it started inside of the window)';
}

/** Weekdays (0 = Sunday, UTC) that are wanted and of which the window does not hold at least 23 hours, by name. */
export function missedWeekdays(wanted: readonly number[], { firstMs, lastMs }: Span): string[] {
  const heldMs = new Map<number, number>();
  for (let day = Math.floor(firstMs / dayMs) * dayMs; day < lastMs; day += dayMs) {
    const weekday = new Date(day).getUTCDay();
    const held = Math.min(day + dayMs, lastMs) - Math.max(day, firstMs);
    heldMs.set(weekday, (heldMs.get(weekday) ?? 0) + held);
  }
  return dayNames.filter((_, weekday) => wanted.includes(weekday) && (heldMs.get(weekday) ?? 0) < wholeDayMs);
}
