import { type ConntrackSourceOptions, conntrackSource } from '../../controller/adapters/conntrack/conntrack-source.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import type { FromConntrack, ToConntrack } from './conntrack-listener.ts';

/** The source in a process of its own, in whose network namespace it listens. Its parent is `conntrack-listener.ts`. */
const options = JSON.parse(process.argv[2] ?? '{}') as Omit<ConntrackSourceOptions, 'clock'>;
const source = conntrackSource({ ...options, clock: systemClock });
const stop = new AbortController();
let reading = Promise.withResolvers<void>();
reading.resolve();

process.on('message', (task: ToConntrack) => {
  switch (task) {
    case 'stop':
      return stop.abort();
    case 'pause':
      reading = Promise.withResolvers();
      return;
    case 'resume':
      return reading.resolve();
  }
});
process.on('disconnect', () => process.exit());

// what is counted is told also while nothing comes
const telling = setInterval(() => tell({}), 50);

try {
  for await (const batch of source.batches(stop.signal)) {
    tell({ batch });
    await reading.promise;
  }
  tell({ ended: '' });
} catch (error) {
  tell({ ended: error instanceof Error ? error.message : String(error) });
}
clearInterval(telling);
process.disconnect?.();

function tell(what: Omit<FromConntrack, 'counters' | 'findings'>): void {
  process.send?.({ ...what, counters: source.counters, findings: source.findings } satisfies FromConntrack);
}
