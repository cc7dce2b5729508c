import { createHash } from 'node:crypto';
import type { LiveInventory } from './adapters/inventory/live-inventory.ts';
import type { ControllerMetrics } from './adapters/prometheus/metrics.ts';
import { systemClock } from './adapters/system-clock.ts';
import { Analyst } from './analyst.ts';
import { type Backend, type ControllerParts, ControllerProblem, identity } from './backend.ts';
import { type ClusterStudy, clusterStudy } from './cluster-study.ts';
import { EvidenceKeeper, type KeeperHealth } from './evidence-keeper.ts';
import { FlowFiles } from './flow-files.ts';
import { FlowWatch } from './flow-watch.ts';
import { TrafficGraph } from './graph/traffic-graph.ts';
import { LiveIngest } from './live-ingest.ts';
import { liveSources } from './live-sources.ts';
import { closingProposalName } from './made-proposal.ts';
import { type Cluster, withObserved } from './model/cluster.ts';
import type { Problem } from './model/problem.ts';
import { repairable } from './open-evidence.ts';
import type { ProposalStatus } from './model/policy-proposal.ts';
import { dialect } from './policy/dialects/dialects.ts';
import { tendProfiles } from './profile-upkeep.ts';
import { ProposalLoop } from './proposal-loop.ts';
import { ProposalStudy } from './proposal-study.ts';
import { PushEndpoint } from './push-endpoint.ts';
import { FlowJudge } from './reconcile/flow-judge.ts';
import { SealedProposals } from './sealed-proposals.ts';

/** Longer than this the loop does not wait for the reading of what was recorded before. */
const backlogMs = 30_000;
/** Rounds of a run that ends by itself follow each other quickly. */
const onceRefreshMs = 200;
const hash = (text: string) => createHash('sha256').update(text).digest('hex');

/** What time alone changes, as when a rule falls out of use, is noticed within this. */
const lookLastsMs = 600_000;

/** The latest look, with what it was at. */
interface Looked {
  readonly study: ProposalStudy;
  readonly of: ClusterStudy;
  readonly revision: number;
  readonly madeMs: number;
}

/** The traffic graph, and who fills it. */
export interface SeenSoFar {
  readonly graph: TrafficGraph;
  readonly ingest: LiveIngest;
}

/** Flows in, evidence kept, and looks at both for the loop. */
export class Observer {
  readonly #parts: ControllerParts;
  readonly #view: LiveInventory;
  readonly #metrics: ControllerMetrics;
  readonly #flows: FlowWatch;
  readonly #begun = Promise.withResolvers<void>();
  #graph: TrafficGraph | undefined;
  #ingest: LiveIngest | undefined;
  #files: FlowFiles | undefined;
  #study: ClusterStudy | undefined;
  #analyst: Analyst | undefined;
  #unsaved: Problem | undefined;
  #observed: { readonly of: Cluster; readonly addresses: string; readonly cluster: Cluster } | undefined;

  constructor(parts: ControllerParts, view: LiveInventory, metrics: ControllerMetrics) {
    this.#parts = parts;
    this.#view = view;
    this.#metrics = metrics;
    this.#flows = new FlowWatch(new FlowJudge(), view, systemClock);
    view.subscribe(({ kind }) => {
      if (kind === 'profile') this.#looked = undefined;
    });
  }

  /** What was seen so far; undefined until what was saved has been read. */
  get seen(): SeenSoFar | undefined {
    const [graph, ingest] = [this.#graph, this.#ingest];
    return graph && ingest && { graph, ingest };
  }

  /** The cluster as it is at this moment. */
  studyNow(): ClusterStudy {
    return this.#studyNow();
  }

  async run(backend: Backend, signal: AbortSignal): Promise<void> {
    const push = await this.#openPush(backend);
    try {
      await this.#observe(backend, push, signal);
    } finally {
      await push?.close();
    }
  }

  async #openPush({ pushAccess }: Backend): Promise<PushEndpoint | undefined> {
    const { config, log } = this.#parts;
    if (config.push === undefined) return undefined;
    const { push: figures } = this.#metrics;
    const access = pushAccess?.(this.#view);
    const push = await PushEndpoint.open({ config: config.push, access, clock: systemClock, log, figures });
    this.#parts.onPushPort?.(push.port);
    return push;
  }

  async #observe({ openEvidence }: Backend, push: PushEndpoint | undefined, signal: AbortSignal): Promise<void> {
    const { config, log } = this.#parts;
    await Promise.race([this.#view.synced, aborted(signal)]);
    if (signal.aborted) return this.#begun.resolve();
    for (const found of this.#view.problems()) log.warn({ problem: found }, 'a part of the input cannot be used');
    const { binMs } = this.#view.clusterProfile().profile.learning;
    const graph = new TrafficGraph({ binMs, saved: true });
    const ingest = new LiveIngest({
      view: this.#view,
      graph,
      clock: systemClock,
      random: Math.random,
      onSighting: (sighting) => this.#flows.observe(sighting),
      onCluster: () => this.#flows.renew(this.#studyNow()),
    });
    const store = await openEvidence(signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
    if (store === undefined) return this.#begun.resolve();
    const onHealth = (health: KeeperHealth) => this.#tellSaving(health);
    const keeper = new EvidenceKeeper({ store, graph, ingest, clock: systemClock, flushMs: config.flushMs, onHealth });
    try {
      const positions = await repairable(() => keeper.load());
      if ('code' in positions) throw new ControllerProblem(positions);
      const files = new FlowFiles({ paths: config.flows, positions, ingest, clock: systemClock });
      const live = liveSources(config.sources, { positions, clock: systemClock });
      [this.#graph, this.#ingest, this.#files] = [graph, ingest, files];
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

  /** What of the keeping of evidence does not work now. */
  get degraded(): readonly Problem[] {
    return this.#unsaved === undefined ? [] : [this.#unsaved];
  }

  #tellSaving({ lastSavedMs, failure }: KeeperHealth): void {
    const { log } = this.#parts;
    this.#metrics.evidence(lastSavedMs, failure !== undefined);
    if (failure !== undefined && failure.message !== this.#unsaved?.message) {
      log.error({ problem: failure }, 'evidence cannot be saved and is kept in memory until it can');
    } else if (failure === undefined && this.#unsaved !== undefined) log.info('evidence is saved again');
    this.#unsaved = failure;
  }

  /** Resolves when the backlog of flows was read, so that proposals do not change while it is; not later than `backlogMs`. */
  async caughtUp(signal: AbortSignal): Promise<void> {
    await this.#begun.promise;
    const lastMs = systemClock.now() + backlogMs;
    while (!signal.aborted && systemClock.now() < lastMs && this.#files?.caughtUp === false) {
      await systemClock.sleep(50, signal).catch(() => undefined);
    }
  }

  loop(backend: Backend, signal: AbortSignal): ProposalLoop {
    const { config, log, notifier } = this.#parts;
    const store = backend.storeFor(signal);
    const { events, leadership, verifyStamp: verify, sealing, controllerUser } = backend;
    return new ProposalLoop({
      view: this.#view,
      store,
      leadership,
      clock: systemClock,
      random: Math.random,
      hash,
      audit: backend.auditFor(signal),
      notifier,
      events,
      metrics: this.#metrics,
      log,
      flows: this.#flows,
      study: () => this.#look(),
      verifyStamp: verify,
      sealed: new SealedProposals(sealing),
      controllerUser,
      afterRound: (study) =>
        tendProfiles({
          view: this.#view,
          store,
          study,
          ownNamespace: config.ownNamespace,
          controller: identity,
          sources: this.#ingest?.health ?? [],
          assertMayWrite: () => leadership.assertHeld(),
          nowMs: systemClock.now(),
        }),
      onRound: (number, proposals) => this.#tellRound(number, proposals),
      refreshMs: config.once ? Math.min(config.refreshMs, onceRefreshMs) : config.refreshMs,
      figuresMs: config.figuresMs,
    });
  }

  #caughtUp = false;
  #looked: Looked | undefined;

  #look(): ProposalStudy {
    const graph = this.#graph as TrafficGraph;
    this.#caughtUp = this.#files?.caughtUp === true && this.#ingest?.counters.held === 0;
    const study = this.#studyNow();
    const nowMs = systemClock.now();
    const last = this.#looked;
    const same = last !== undefined && last.of.ground === study.ground && last.revision === graph.revision;
    if (same && nowMs < last.madeMs + lookLastsMs) return last.study.again(study);
    this.#analyst =
      this.#analyst?.study === study
        ? this.#analyst.renewed(graph, nowMs)
        : new Analyst({
            study,
            traffic: graph,
            profileOf: (namespace) => this.#view.profileOf(namespace).profile,
            dialect: dialect('kubernetes'),
            comments: true,
            nowMs,
          });
    const made = new ProposalStudy({
      analyst: this.#analyst,
      cluster: study,
      profileOf: (namespace) => this.#view.profileOf(namespace).profile,
      closedSince: (namespace) => this.#closedSince(namespace),
    });
    this.#looked = { study: made, of: study, revision: graph.revision, madeMs: nowMs };
    return made;
  }

  #studyNow(): ClusterStudy {
    const cluster = this.#clusterNow();
    if (this.#study?.cluster !== cluster) this.#study = clusterStudy(cluster, this.#study);
    return this.#study;
  }

  /** The cluster with what flow sources said of its addresses; the same value while neither changed. */
  #clusterNow(): Cluster {
    const cluster = this.#view.cluster();
    const observed = this.#ingest?.observed ?? { apiServer: [], nodes: [] };
    const addresses = JSON.stringify(observed);
    const known = this.#observed;
    if (known?.of === cluster && known.addresses === addresses) return known.cluster;
    const made = withObserved(cluster, observed);
    const same =
      known?.addresses === addresses &&
      (['nodes', 'apiServer', 'cidrs'] as const).every((part) => known.of[part] === cluster[part]);
    // the very same values where nothing of them changed, so that nobody has to make of them anew what was made
    const { apiServer, cidrs } = same ? known.cluster : made;
    this.#observed = { of: cluster, addresses, cluster: { ...made, apiServer, cidrs } };
    return this.#observed.cluster;
  }

  #closedSince(namespace: string): number | undefined {
    const closing = this.#view.proposal(namespace, closingProposalName);
    const appliedAt = closing?.status?.enforced?.appliedAt;
    return appliedAt === undefined ? undefined : Date.parse(appliedAt);
  }

  #tellRound(number: number, proposals: ReadonlyMap<string, ProposalStatus>): void {
    const ingest = this.#ingest as LiveIngest;
    const connections = this.#graph?.size ?? 0;
    this.#metrics.graph(connections);
    for (const { name, flows, rejected } of ingest.health) this.#metrics.ingested(name, flows, rejected);
    this.#parts.onRound?.({ number, proposals, view: this.#view, ingest, connections, caughtUp: this.#caughtUp });
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
