import { type ConntrackSourceOptions, conntrackSource } from '../../controller/adapters/conntrack/conntrack-source.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import type { FlowBatch } from '../../controller/ports.ts';
import type { FromConntrack, ToConntrack } from './conntrack-process.ts';

/** The source in a process of its own, in whose network namespace it listens. Its parent is `conntrack-process.ts`. */
const options = JSON.parse(process.argv[2] ?? '{}') as Omit<ConntrackSourceOptions, 'clock'>;
const source = conntrackSource({ ...options, clock: systemClock });
let stop = new AbortController();
let batches: AsyncIterator<FlowBatch> | undefined;

process.on('message', ({ id, task }: ToConntrack) => {
  void answer(task).then(
    (batch) => tell({ id, batch }),
    ({ message, retryable }: Error & { readonly retryable?: boolean }) => tell({ id, failure: { message, retryable } }),
  );
});
process.on('disconnect', () => process.exit());

// what is counted is told also while nothing comes
setInterval(() => tell({}), 50);

async function answer(task: ToConntrack['task']): Promise<FlowBatch | undefined> {
  switch (task) {
    case 'open':
      stop = new AbortController();
      batches = source.batches(stop.signal)[Symbol.asyncIterator]();
      return undefined;
    case 'next': {
      const next = await batches?.next();
      return next?.done === true ? undefined : next?.value;
    }
    case 'stop':
      stop.abort();
      return undefined;
    case 'close':
      await batches?.return?.();
      return undefined;
  }
}

function tell(what: Omit<FromConntrack, 'counters' | 'findings'>): void {
  process.send?.({ ...what, counters: source.counters, findings: source.findings } satisfies FromConntrack);
}
