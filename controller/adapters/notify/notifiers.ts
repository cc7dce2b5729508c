import type { Notifier } from '../../ports.ts';

/** Tells all of them; none of them waits for another. */
export function allNotifiers(notifiers: readonly Notifier[]): Notifier {
  return {
    notify(record) {
      for (const notifier of notifiers) notifier.notify(record);
    },
    async close(deadlineMs) {
      await Promise.all(notifiers.map((notifier) => notifier.close(deadlineMs)));
    },
  };
}
