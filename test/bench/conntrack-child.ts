import { conntrackSource } from '../../controller/adapters/conntrack/conntrack-source.ts';
import { FlowAggregate } from '../../controller/adapters/conntrack/flow-aggregate.ts';
import { NetlinkSocket } from '../../controller/adapters/conntrack/netlink-socket.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import type { FromContestant, ToContestant } from './conntrack.ts';

/**
 * One contestant in the network namespace where it listens: `agent` reads, folds and adds up; `bare` reads and throws away.
 * Arguments: which, and the bytes of the kernel's buffer. Started by `conntrack.ts`.
 */
const [, , which = '', bytes = ''] = process.argv;
const bufferBytes = Number(bytes);
const intervalMs = 5_000;

let seen = 0;
let lost = 0;
let reading = Promise.withResolvers<void>();
reading.resolve();
let wanted: { readonly count: number; readonly startMs: number } | undefined;

process.on('message', ({ read, until = 0 }: ToContestant) => {
  if (!read) {
    reading = Promise.withResolvers();
    seen = 0;
    tell({ paused: true });
    return;
  }
  wanted = { count: until, startMs: performance.now() };
  reading.resolve();
});
process.on('disconnect', () => process.exit());

if (which === 'agent') await runAgent();
else await runBare();

async function runAgent(): Promise<void> {
  const aggregate = new FlowAggregate(intervalMs, 100_000);
  const source = conntrackSource({ node: 'bench', clock: systemClock, bufferBytes, tableMs: 3_600_000 });
  const looking = setInterval(() => {
    if (source.counters.tables === 0) return;
    clearInterval(looking);
    tell({ ready: true });
  }, 20);
  let takenMs = performance.now();
  for await (const { flows, losses } of source.batches(new AbortController().signal)) {
    await reading.promise;
    for (const flow of flows) {
      aggregate.add(flow);
      count(flow.connections);
    }
    for (const { events } of losses) lost += events ?? 0;
    if (performance.now() - takenMs < intervalMs) continue;
    takenMs = performance.now();
    aggregate.take();
  }
}

async function runBare(): Promise<void> {
  using socket = new NetlinkSocket(0b111);
  socket.reserve(bufferBytes);
  tell({ ready: true });
  for (;;) {
    await reading.promise;
    for (let slice = 0; slice < 10_000 && typeof socket.receive() !== 'string'; slice++) count(1);
    await socket.readable(100);
  }
}

function count(connections: number): void {
  seen += connections;
  if (wanted === undefined || seen < wanted.count) return;
  const seconds = (performance.now() - wanted.startMs) / 1000;
  wanted = undefined;
  tell({ seconds });
}

function tell(what: Omit<FromContestant, 'lost'>): void {
  process.send?.({ ...what, lost } satisfies FromContestant);
}
