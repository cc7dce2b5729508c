import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { pino } from 'pino';
import { allNotifiers } from '../../controller/adapters/notify/notifiers.ts';
import type { Round } from '../../controller/backend.ts';
import { runController } from '../../controller/compose.ts';
import { type ControllerConfigInput, controllerConfig } from '../../controller/config.ts';

/** What the process that runs a controller for a benchmark tells its parent. */
export type Told =
  | { readonly kind: 'port'; readonly port: number }
  | { readonly kind: 'log'; readonly message: string; readonly level: number }
  | {
      readonly kind: 'round';
      readonly number: number;
      readonly proposals: number;
      readonly ready: number;
      readonly caughtUp: boolean;
      readonly connections: number;
      /** Since the process began. */
      readonly cpuMs: number;
    }
  /** Records that were ingested, and when the last of them was. */
  | { readonly kind: 'records'; readonly records: number; readonly atMs: number }
  | { readonly kind: 'pod'; readonly atMs: number }
  | { readonly kind: 'answer'; readonly answer: Answer };

/** What is asked of it; every question has one answer. */
export type Question =
  | { readonly ask: 'figures' }
  /** Tells `pod` when the pod with that name has that address in the cluster. */
  | { readonly ask: 'watch-pod'; readonly name: string; readonly ip: string };

export interface Answer {
  /** After everything dead has been collected. */
  readonly rssBytes: number;
  readonly liveBytes: number;
  /** The longest that the event loop stood still since the last question, and the 99th percentile, in ms. */
  readonly longestMs: number;
  readonly p99Ms: number;
  readonly cpuMs: number;
}

const resolutionMs = 5;
/** Whoever asked may be gone by now. */
const tell = (told: Told) => process.connected && process.send?.(told, () => undefined);
const delay = monitorEventLoopDelay({ resolution: resolutionMs });
const stop = new AbortController();
const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
let last: Round | undefined;
let records = 0;

process.on('disconnect', () => stop.abort());
process.on('message', (question: Question) => {
  switch (question.ask) {
    case 'figures': {
      // the collection asked for here is no fault of the controller
      const longestMs = delay.max / 1e6 - resolutionMs;
      const p99Ms = delay.percentile(99) / 1e6 - resolutionMs;
      const cpu = cpuMs();
      for (let i = 0; i < 3; i++) globalThis.gc?.();
      const { rss, heapUsed, external } = process.memoryUsage();
      tell({
        kind: 'answer',
        answer: { rssBytes: rss, liveBytes: heapUsed + external, longestMs, p99Ms, cpuMs: cpu },
      });
      setImmediate(() => delay.reset());
      break;
    }
    case 'watch-pod': {
      const { name, ip } = question;
      const view = last?.view;
      if (view === undefined) break;
      const look = () => {
        const pod = view.cluster().pods.find((one) => one.name === name && one.endMs === undefined);
        if (pod?.ips[0] !== ip) return;
        unsubscribe();
        tell({ kind: 'pod', atMs: Date.now() });
      };
      const unsubscribe = view.subscribe(({ kind }) => {
        if (kind === 'cluster') look();
      });
      // the change may be older than this question
      look();
      break;
    }
  }
});

function told(round: Round): void {
  last = round;
  const { number, proposals, caughtUp, connections } = round;
  const ready = [...proposals.values()].filter(({ state }) => state === 'Ready').length;
  tell({ kind: 'round', number, proposals: proposals.size, ready, caughtUp, connections, cpuMs: cpuMs() });
}

const watching = setInterval(() => {
  const now = last?.ingest.counters.records ?? 0;
  if (now !== records) tell({ kind: 'records', records: (records = now), atMs: Date.now() });
}, 20);

delay.enable();
const config = controllerConfig(JSON.parse(readFileSync(process.argv[2] as string, 'utf8')) as ControllerConfigInput);
const log = pino(
  { base: null, level: 'info' },
  {
    write(line: string) {
      const { msg, level, ...rest } = JSON.parse(line) as { msg: string; level: number };
      tell({ kind: 'log', message: level >= 40 ? `${msg} ${JSON.stringify(rest)}` : msg, level });
    },
  },
);
try {
  await runController(
    {
      config,
      version: '0.0.0-bench',
      log,
      notifier: allNotifiers([]),
      onRound: told,
      onHealthPort: (port) => tell({ kind: 'port', port }),
    },
    stop.signal,
  );
} finally {
  clearInterval(watching);
  delay.disable();
}
