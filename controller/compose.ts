import { type Probes, serveProbes } from './adapters/http/probe-server.ts';
import { LiveInventory } from './adapters/inventory/live-inventory.ts';
import { ControllerMetrics } from './adapters/prometheus/metrics.ts';
import { systemClock } from './adapters/system-clock.ts';
import { type Backend, type ControllerParts, identity } from './backend.ts';
import { clusterBackend } from './cluster-backend.ts';
import { HttpEndpoint } from './serving/http-endpoint.ts';
import { LocalObservation } from './intake/local-observation.ts';
import type { Problem } from './model/problem.ts';
import { Observer } from './observer.ts';
import { stateFigures } from './serving/state-figures.ts';
import type { TrafficObservation, WatchesTraffic } from './intake/traffic-observation.ts';
import { workspaceBackend } from './workspace-backend.ts';

/** Runs a controller until aborted. Rejects for what nobody outside of it can repair, and with ControllerProblem. */
export async function runController(parts: ControllerParts, signal: AbortSignal): Promise<void> {
  const { config } = parts;
  const stop = new AbortController();
  const running = AbortSignal.any([signal, stop.signal]);
  const metrics = new ControllerMetrics();
  const backend = await (config.workspace === undefined
    ? clusterBackend(parts, running)
    : workspaceBackend(config.workspace, parts));
  const { portRanges } = backend;
  const view = new LiveInventory({ ownNamespace: config.ownNamespace, clock: systemClock, portRanges });
  const work = { parts, backend, view, metrics };
  const { probes, open, tasksOf, close } = await (config.role === 'ingest' ? ingesting(work) : deciding(work));
  const health = config.health && (await serveProbes(config.health.port, config.health.host, probes));
  if (health) parts.onHealthPort?.(health.port);
  await open();
  let tasks: readonly Promise<void>[] = [];
  try {
    tasks = [backend.feed.run(view.sink, running), backend.run(running), ...tasksOf(running)].map((task) =>
      task.catch((error: unknown) => fail(error, running, stop)),
    );
    await Promise.all(tasks);
  } finally {
    stop.abort();
    // the others save what they have, and let go of the lease
    await ended(tasks);
    await parts.notifier.close(systemClock.now() + endWithinMs);
    await backend.close();
    await close();
    await health?.close();
  }
}

interface Work {
  readonly parts: ControllerParts;
  readonly backend: Backend;
  readonly view: LiveInventory;
  readonly metrics: ControllerMetrics;
}

/** What a process does beside reading the cluster. */
interface RoleWork {
  readonly probes: Probes;
  readonly open: () => Promise<void>;
  readonly tasksOf: (running: AbortSignal) => readonly Promise<void>[];
  readonly close: () => Promise<void>;
}

/** Takes flows and counts them for those who decide. */
async function ingesting(work: Work): Promise<RoleWork> {
  const { parts, backend, view, metrics } = work;
  // only who shares needs the client of Redis
  const { SharedIngest } = await import('./intake/shared-ingest.ts');
  const ingest = new SharedIngest(parts, view, metrics);
  const told = () => {
    metrics.state.set({ proposals: view.proposals(), endpoints: 0, ingest: ingest.counters, streams: 0 });
    ingest.tellMetrics();
  };
  return {
    probes: probesOf(work, () => ingest.degraded, told),
    open: async () => undefined,
    tasksOf: (running) => [ingest.run(backend, running)],
    close: async () => undefined,
  };
}

/** Looks at what was seen, here or elsewhere; decides while it leads. */
async function deciding(work: Work): Promise<RoleWork> {
  const { parts, backend, view, metrics } = work;
  const { config, log } = parts;
  const observer = new Observer(parts, view, metrics, await observing(work));
  let http: HttpEndpoint | undefined;
  const probes = probesOf(
    work,
    () => observer.degraded,
    () => {
      metrics.state.set(stateFigures(view, observer, http));
      metrics.shared.streams(observer.streams);
    },
  );
  // a workspace has one file of evidence; all else has evidence of its own, or follows that of others
  const observesAlways = config.workspace === undefined || config.role === 'decide';
  return {
    probes,
    open: async () => {
      const served = config.once ? undefined : config.http;
      const answered = (status: number) => metrics.state.answered(status);
      http = served && (await HttpEndpoint.open(served, { parts, backend, view, observer, probes, answered }));
    },
    tasksOf: (running) => [
      ...(http ? [http.run(running)] : []),
      ...(observesAlways ? [observer.run(backend, running)] : []),
      backend.leadership.run(async (lead) => {
        metrics.leading(true);
        log.info({ identity }, 'leading');
        const leading = AbortSignal.any([lead, running]);
        try {
          await Promise.all([
            ...(observesAlways ? [] : [observer.run(backend, leading)]),
            observer.caughtUp(leading).then(() => observer.loop(backend, leading).run(leading)),
          ]);
        } finally {
          metrics.leading(false);
          log.info({ identity }, 'not leading any more');
        }
      }, running),
    ],
    close: async () => http?.close(),
  };
}

/** Counts flows here, or follows those who do. */
async function observing({ parts, view, metrics }: Work): Promise<(watch: WatchesTraffic) => TrafficObservation> {
  if (parts.config.role !== 'decide') return (watch) => new LocalObservation(parts, view, metrics, watch);
  const { FollowedEvidence } = await import('./intake/followed-evidence.ts');
  return (watch) => new FollowedEvidence(parts, view, watch);
}

function probesOf(
  { backend, view, metrics }: Work,
  degraded: () => readonly Problem[],
  tellFigures: () => void,
): Probes {
  let synced = false;
  void view.synced.then(() => (synced = true));
  return {
    unready: () => (synced ? undefined : 'the cluster has not been read yet'),
    degraded: () => [
      ...view.problems().filter(({ code }) => missingKinds.has(code)),
      ...backend.degraded(),
      ...degraded(),
    ],
    metrics: async () => {
      tellFigures();
      return metrics.text();
    },
  };
}

const endWithinMs = 5_000;

/** When all of them have ended, however, or have had the time to. */
async function ended(tasks: readonly Promise<void>[]): Promise<void> {
  const waiting = new AbortController();
  const late = systemClock.sleep(endWithinMs, waiting.signal).catch(() => undefined);
  await Promise.race([Promise.allSettled(tasks), late]);
  waiting.abort();
}

/** What cannot be read at all; single objects that are broken are no reason to look at the controller. */
const missingKinds: ReadonlySet<string> = new Set(['NotPermitted', 'NotInstalled', 'KindNotServed']);

/** One part that fails ends all of them. */
function fail(error: unknown, running: AbortSignal, stop: AbortController): void {
  if (running.aborted && isAbort(error)) return;
  stop.abort();
  throw error;
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'LeaseLost');
}
