import { createHash } from 'node:crypto';
import type { LiveInventory } from './adapters/inventory/live-inventory.ts';
import type { ControllerMetrics } from './adapters/prometheus/metrics.ts';
import { systemClock } from './adapters/system-clock.ts';
import { Analyst } from './loop/analyst.ts';
import { type Backend, type ControllerParts, identity } from './backend.ts';
import { type ClusterStudy, clusterStudy } from './loop/cluster-study.ts';
import { FlowWatch } from './loop/flow-watch.ts';
import type { TrafficGraph } from './graph/traffic-graph.ts';
import { closingProposalName } from './loop/made-proposal.ts';
import { type Cluster, withObserved } from './model/cluster.ts';
import type { Problem } from './model/problem.ts';
import type { ProposalStatus } from './model/policy-proposal.ts';
import type { StreamsStatus } from './model/profile.ts';
import { dialect } from './policy/dialects/dialects.ts';
import { tendProfiles } from './loop/profile-upkeep.ts';
import { ProposalLoop } from './loop/proposal-loop.ts';
import { ProposalStudy } from './loop/proposal-study.ts';
import { FlowJudge } from './reconcile/flow-judge.ts';
import { SealedProposals } from './loop/sealed-proposals.ts';
import { PacedStreams } from './intake/streams-status.ts';
import type { SeenSoFar, TrafficObservation, WatchesTraffic } from './intake/traffic-observation.ts';

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
  readonly graph: TrafficGraph;
  readonly revision: number;
  readonly madeMs: number;
}

/** Looks for the loop at what was seen, and at the cluster. */
export class Observer {
  readonly #parts: ControllerParts;
  readonly #view: LiveInventory;
  readonly #metrics: ControllerMetrics;
  readonly #flows: FlowWatch;
  readonly #observation: TrafficObservation;
  readonly #paced: PacedStreams;
  #study: ClusterStudy | undefined;
  #analyst: Analyst | undefined;
  #observed: { readonly of: Cluster; readonly addresses: string; readonly cluster: Cluster } | undefined;

  constructor(
    parts: ControllerParts,
    view: LiveInventory,
    metrics: ControllerMetrics,
    observe: (watch: WatchesTraffic) => TrafficObservation,
  ) {
    this.#parts = parts;
    this.#view = view;
    this.#metrics = metrics;
    this.#flows = new FlowWatch(new FlowJudge(), view, systemClock);
    this.#paced = new PacedStreams(parts.config.figuresMs);
    this.#observation = observe({
      onSighting: (sighting) => this.#flows.observe(sighting),
      onCluster: () => this.#flows.renew(this.#studyNow()),
    });
    view.subscribe(({ kind }) => {
      if (kind === 'profile') this.#looked = undefined;
    });
  }

  /** What was seen so far; undefined until what was saved has been read. */
  get seen(): SeenSoFar | undefined {
    return this.#observation.seen;
  }

  /** Undefined: the work is not shared with other processes. */
  get streams(): StreamsStatus | undefined {
    return this.#observation.streams;
  }

  /** The cluster as it is at this moment. */
  studyNow(): ClusterStudy {
    return this.#studyNow();
  }

  run(backend: Backend, signal: AbortSignal): Promise<void> {
    return this.#observation.run(backend, signal);
  }

  /** What of the observation does not work now. */
  get degraded(): readonly Problem[] {
    return this.#observation.degraded;
  }

  /** A look that is not older than this, shared with the loop; undefined until what was saved has been read. */
  lookedWithin(mostMs: number): ProposalStudy | undefined {
    if (this.seen === undefined) return undefined;
    const { graph } = this.seen;
    const study = this.#studyNow();
    const last = this.#lookedAt(study, graph);
    const isFresh = last !== undefined && systemClock.now() < last.madeMs + mostMs;
    return isFresh || last?.revision === graph.revision ? last.study : this.#lookAnew(study, graph);
  }

  /** Resolves when the backlog of flows was read, so that proposals do not change while it is; not later than `backlogMs`. */
  async caughtUp(signal: AbortSignal): Promise<void> {
    await this.#observation.begun;
    const lastMs = systemClock.now() + backlogMs;
    while (!signal.aborted && systemClock.now() < lastMs && !this.#observation.backlogRead) {
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
          sources: this.seen?.ingest.health ?? [],
          streams: this.#paced.at(this.streams, systemClock.now()),
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
    const { graph, ingest } = this.seen as SeenSoFar;
    this.#caughtUp = this.#observation.backlogRead && ingest.counters.held === 0;
    const study = this.#studyNow();
    const last = this.#lookedAt(study, graph);
    if (last?.revision === graph.revision && systemClock.now() < last.madeMs + lookLastsMs)
      return last.study.again(study);
    return this.#lookAnew(study, graph);
  }

  /** The latest look, as far as it is at this cluster and this graph. */
  #lookedAt(study: ClusterStudy, graph: TrafficGraph): Looked | undefined {
    const last = this.#looked;
    return last !== undefined && last.of.ground === study.ground && last.graph === graph ? last : undefined;
  }

  #lookAnew(study: ClusterStudy, graph: TrafficGraph): ProposalStudy {
    const nowMs = systemClock.now();
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
    this.#looked = { study: made, of: study, graph, revision: graph.revision, madeMs: nowMs };
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
    const observed = this.seen?.ingest.observed ?? { apiServer: [], nodes: [] };
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
    const { graph, ingest } = this.seen as SeenSoFar;
    const connections = graph.size;
    this.#metrics.graph(connections);
    for (const { name, flows, rejected } of ingest.health) this.#metrics.ingested(name, flows, rejected);
    this.#parts.onRound?.({ number, proposals, view: this.#view, ingest, connections, caughtUp: this.#caughtUp });
  }
}
