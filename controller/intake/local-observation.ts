import type { LiveInventory } from '../adapters/inventory/live-inventory.ts';
import type { ControllerMetrics } from '../adapters/prometheus/metrics.ts';
import { systemClock } from '../adapters/system-clock.ts';
import { type Backend, type ControllerParts, ControllerProblem } from '../backend.ts';
import { EvidenceKeeper, type KeeperHealth } from './evidence-keeper.ts';
import { FlowFiles } from './flow-files.ts';
import { TrafficGraph } from '../graph/traffic-graph.ts';
import { LiveIngest } from './live-ingest.ts';
import { liveSources } from './live-sources.ts';
import type { Problem } from '../model/problem.ts';
import { repairable } from './open-evidence.ts';
import { openPush, type PushEndpoint } from './push-endpoint.ts';
import type { SeenSoFar, TrafficObservation, WatchesTraffic } from './traffic-observation.ts';

/** Flows in, evidence kept, in this process. */
export class LocalObservation implements TrafficObservation {
  readonly streams = undefined;
  readonly #parts: ControllerParts;
  readonly #view: LiveInventory;
  readonly #metrics: ControllerMetrics;
  readonly #watch: WatchesTraffic;
  readonly #begun = Promise.withResolvers<void>();
  #seen: (SeenSoFar & { readonly files: FlowFiles }) | undefined;
  #unsaved: Problem | undefined;

  constructor(parts: ControllerParts, view: LiveInventory, metrics: ControllerMetrics, watch: WatchesTraffic) {
    this.#parts = parts;
    this.#view = view;
    this.#metrics = metrics;
    this.#watch = watch;
  }

  get seen(): SeenSoFar | undefined {
    return this.#seen;
  }

  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  get backlogRead(): boolean {
    return this.#seen?.files.caughtUp === true;
  }

  /** What of the keeping of evidence does not work now. */
  get degraded(): readonly Problem[] {
    return this.#unsaved === undefined ? [] : [this.#unsaved];
  }

  async run(backend: Backend, signal: AbortSignal): Promise<void> {
    const push = await openPush(this.#parts, backend, this.#view, this.#metrics.push);
    try {
      await this.#observe(backend, push, signal);
    } finally {
      this.#begun.resolve();
      await push?.close();
    }
  }

  async #observe({ openEvidence }: Backend, push: PushEndpoint | undefined, signal: AbortSignal): Promise<void> {
    const { config, log } = this.#parts;
    await Promise.race([this.#view.synced, aborted(signal)]);
    if (signal.aborted) return;
    for (const found of this.#view.problems()) log.warn({ problem: found }, 'a part of the input cannot be used');
    const { binMs } = this.#view.clusterProfile().profile.learning;
    const graph = new TrafficGraph({ binMs, saved: true });
    const ingest = new LiveIngest({
      view: this.#view,
      graph,
      clock: systemClock,
      random: Math.random,
      onSighting: this.#watch.onSighting,
      onCluster: this.#watch.onCluster,
    });
    const store = await openEvidence(signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
    if (store === undefined) return;
    const onHealth = (health: KeeperHealth) => this.#tellSaving(health);
    const keeper = new EvidenceKeeper({ store, graph, ingest, clock: systemClock, flushMs: config.flushMs, onHealth });
    try {
      const positions = await repairable(() => keeper.load());
      if ('code' in positions) throw new ControllerProblem(positions);
      const files = new FlowFiles({ paths: config.flows, positions, ingest, clock: systemClock });
      const live = liveSources(config.sources, { positions, clock: systemClock });
      this.#seen = { graph, ingest, files };
      this.#begun.resolve();
      await Promise.all([
        files.run(signal),
        ingest.run(live, signal),
        keeper.run(signal),
        push?.run(ingest, positions, signal),
      ]);
    } finally {
      await keeper.close();
    }
  }

  #tellSaving({ lastSavedMs, failure }: KeeperHealth): void {
    const { log } = this.#parts;
    this.#metrics.evidence(lastSavedMs, failure !== undefined);
    if (failure !== undefined && failure.message !== this.#unsaved?.message) {
      log.error({ problem: failure }, 'evidence cannot be saved and is kept in memory until it can');
    } else if (failure === undefined && this.#unsaved !== undefined) log.info('evidence is saved again');
    this.#unsaved = failure;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
