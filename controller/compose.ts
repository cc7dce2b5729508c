import { serveProbes } from './adapters/http/probe-server.ts';
import { LiveInventory } from './adapters/inventory/live-inventory.ts';
import { ControllerMetrics } from './adapters/prometheus/metrics.ts';
import { systemClock } from './adapters/system-clock.ts';
import { type ControllerParts, identity } from './backend.ts';
import { clusterBackend } from './cluster-backend.ts';
import { HttpEndpoint } from './http-endpoint.ts';
import { Observer } from './observer.ts';
import { stateFigures } from './state-figures.ts';
import { workspaceBackend } from './workspace-backend.ts';

/** Runs a controller until aborted. Rejects for what nobody outside of it can repair, and with ControllerProblem. */
export async function runController(parts: ControllerParts, signal: AbortSignal): Promise<void> {
  const { config, log } = parts;
  const stop = new AbortController();
  const running = AbortSignal.any([signal, stop.signal]);
  const metrics = new ControllerMetrics();
  const backend = await (config.workspace === undefined
    ? clusterBackend(parts, running)
    : workspaceBackend(config.workspace, parts));
  const { portRanges } = backend;
  const view = new LiveInventory({ ownNamespace: config.ownNamespace, clock: systemClock, portRanges });
  let synced = false;
  void view.synced.then(() => (synced = true));
  const observer = new Observer(parts, view, metrics);
  let http: HttpEndpoint | undefined;
  const probes = {
    unready: () => (synced ? undefined : 'the cluster has not been read yet'),
    degraded: () => [
      ...view.problems().filter(({ code }) => missingKinds.has(code)),
      ...backend.degraded(),
      ...observer.degraded,
    ],
    metrics: async () => {
      metrics.state.set(stateFigures(view, observer, http));
      return metrics.text();
    },
  };
  const health = config.health && (await serveProbes(config.health.port, config.health.host, probes));
  if (health) parts.onHealthPort?.(health.port);
  const served = config.once ? undefined : config.http;
  const answered = (status: number) => metrics.state.answered(status);
  http = served && (await HttpEndpoint.open(served, { parts, backend, view, observer, probes, answered }));
  const isShared = config.workspace === undefined;
  let tasks: readonly Promise<void>[] = [];
  try {
    tasks = [
      backend.feed.run(view.sink, running),
      backend.run(running),
      ...(http ? [http.run(running)] : []),
      // every replica of a cluster observes and has evidence of its own; a workspace has one file of it
      ...(isShared ? [observer.run(backend, running)] : []),
      backend.leadership.run(async (lead) => {
        metrics.leading(true);
        log.info({ identity }, 'leading');
        const leading = AbortSignal.any([lead, running]);
        try {
          await Promise.all([
            ...(isShared ? [] : [observer.run(backend, leading)]),
            observer.caughtUp(leading).then(() => observer.loop(backend, leading).run(leading)),
          ]);
        } finally {
          metrics.leading(false);
          log.info({ identity }, 'not leading any more');
        }
      }, running),
    ].map((task) => task.catch((error: unknown) => fail(error, running, stop)));
    await Promise.all(tasks);
  } finally {
    stop.abort();
    // the others save what they have, and let go of the lease
    await ended(tasks);
    await parts.notifier.close(systemClock.now() + endWithinMs);
    await backend.close();
    await http?.close();
    await health?.close();
  }
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
