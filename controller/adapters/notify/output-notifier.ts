import type { Notifier } from '../../ports.ts';
import { cloudEvent } from './cloud-events.ts';

/** Writes each record as a CloudEvent on a line of its own. */
export function outputNotifier(source: string, write: (text: string) => void): Notifier {
  return {
    notify: (record) => write(`${JSON.stringify(cloudEvent(record, source))}\n`),
    close: () => Promise.resolve(),
  };
}
