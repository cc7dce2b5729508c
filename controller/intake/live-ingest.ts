import type { FlowAttributor, ObservedAddresses } from '../attribution/attribute-flow.ts';
import { AttributionNow } from './attribution-now.ts';
import type { TrafficGraph } from '../graph/traffic-graph.ts';
import { HeldFlows } from './held-flows.ts';
import { LossTimes } from './loss-times.ts';
import type { Cluster } from '../model/cluster.ts';
import type { Endpoint, UnknownReason } from '../model/endpoint.ts';
import type { Flow } from '../model/flow.ts';
import type { Sighting } from '../model/sighting.ts';
import type {
  Clock,
  ClusterView,
  FlowBatch,
  FlowSource,
  IngestMemory,
  SourcePosition,
  SourcePositions,
} from '../ports.ts';
import { reconnecting, type SourceState } from './reconnecting.ts';
import { SourceFigures, type SourceHealth } from './source-figures.ts';

export interface LiveIngestOptions {
  readonly view: ClusterView;
  readonly graph: TrafficGraph;
  readonly clock: Clock;
  /** In [0, 1), so that not everybody asks a source again at once that has failed them all. @default 1: the longest waits */
  readonly random?: () => number;
  /** How long a flow waits for its owner to be known, counted from the flow. @default 2000 */
  readonly graceMs?: number;
  /** So many flows may wait at once. @default 10000 */
  readonly mostHeld?: number;
  /** Where several count flows by one cluster. @default one of its own */
  readonly attribution?: AttributionNow;
  /** Called for each sighting that was counted, on the hot path: it must be quick. */
  readonly onSighting?: (sighting: Sighting) => void;
  /** Called with each new value of the cluster, before any flow is attributed with it. */
  readonly onCluster?: (cluster: Cluster) => void;
}

export interface IngestCounters {
  readonly records: number;
  /** Flows that were counted; those that wait are not among them. */
  readonly flows: number;
  readonly rejected: number;
  /** Reports of lost, missing or sampled events. */
  readonly losses: number;
  /** Flows with a side that nobody is known to own, by the reason. */
  readonly unattributed: ReadonlyMap<UnknownReason, number>;
  /** Flows whose source names another owner than the inventory has for the address. */
  readonly contradictions: number;
  /** Flows that wait now, for their owner to be known or for the cluster as it is. */
  readonly held: number;
  /** How often the attribution was made anew because the cluster had changed. */
  readonly attributions: number;
}

/** Addresses that a source named are kept up to this number. */
const mostObserved = 10_000;
/** So many flows may wait for the attribution before sources have to wait too. */
const mostQueued = 50_000;
/** Looks after flows that wait so often. */
const heldTickMs = 250;

/**
 * Reads any number of sources at once into one graph. A flow is attributed by the cluster as it is when the flow is
 * counted: after a change of the cluster, flows wait until the attribution was made anew. A source that fails is asked
 * again, and never takes the others down.
 */
export class LiveIngest {
  readonly #view: ClusterView;
  readonly #graph: TrafficGraph;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #onSighting: ((sighting: Sighting) => void) | undefined;
  readonly #onCluster: ((cluster: Cluster) => void) | undefined;
  readonly #held: HeldFlows;
  readonly #sources = new SourceFigures();
  readonly #lossTimes = new LossTimes();
  readonly #attribution: AttributionNow;
  readonly #positions = new Map<string, SourcePosition | undefined>();
  #awaited: (() => void)[] = [];
  readonly #unattributed = new Map<UnknownReason, number>();
  readonly #apiServer = new Set<string>();
  readonly #nodes = new Set<string>();
  #attributor: FlowAttributor | undefined;
  #cluster: Cluster | undefined;
  #stale = true;
  /** Batches that wait for the attribution to be made anew, in the order of their arrival. */
  #queue: QueuedBatch[] = [];
  #queuedFlows = 0;
  #draining: Promise<void> | undefined;
  readonly #bug = Promise.withResolvers<never>();
  #records = 0;
  #flows = 0;
  #rejected = 0;
  #losses = 0;
  #contradictions = 0;
  #attributions = 0;

  constructor(options: LiveIngestOptions) {
    const { view, graph, clock, graceMs = 2_000, mostHeld = 10_000, onSighting, onCluster, random = () => 1 } = options;
    this.#attribution = options.attribution ?? new AttributionNow(view, clock);
    this.#view = view;
    this.#graph = graph;
    this.#clock = clock;
    this.#random = random;
    this.#onSighting = onSighting;
    this.#onCluster = onCluster;
    this.#held = new HeldFlows(graceMs, mostHeld);
  }

  get counters(): IngestCounters {
    return {
      records: this.#records,
      flows: this.#flows,
      rejected: this.#rejected,
      losses: this.#losses,
      unattributed: new Map(this.#unattributed),
      contradictions: this.#contradictions,
      held: this.#held.size + this.#queuedFlows,
      attributions: this.#attributions,
    };
  }

  get health(): readonly SourceHealth[] {
    return this.#sources.health;
  }

  /** What sources said about the cluster's own addresses, from whatever cluster they were attributed with. */
  get observed(): ObservedAddresses {
    this.#noteObserved();
    return { apiServer: [...this.#apiServer].sort(), nodes: [...this.#nodes].sort() };
  }

  /** Takes over what an earlier process knew; before `run`. */
  restore({ held, observed }: Pick<IngestMemory, 'held' | 'observed'>): void {
    for (const ip of observed.apiServer) this.#apiServer.add(ip);
    for (const ip of observed.nodes) this.#nodes.add(ip);
    this.#held.restore(held);
  }

  /**
   * What must be saved together with the graph's changes, taken at the same moment: how far sources were read, and what is
   * known beside. Between two batches, so that all of a batch is in it or nothing.
   */
  checkpoint(): IngestCheckpoint {
    const positions = new Map(this.#positions);
    this.#positions.clear();
    const saved = this.#awaited;
    this.#awaited = [];
    return { positions, held: this.#held.flows, observed: this.observed, saved };
  }

  /** Whether somebody waits for what was counted to be saved. */
  get isAwaited(): boolean {
    return this.#awaited.length > 0;
  }

  /**
   * Reads until aborted, or until all sources have ended or failed for good. May run several times at once, with sources of
   * other names. Rejects only for bugs.
   */
  async run(sources: readonly FlowSource[], signal: AbortSignal): Promise<void> {
    // nobody told of changes while nothing ran
    this.#outdate();
    const unsubscribe = this.#view.subscribe(({ kind }) => {
      if (kind === 'cluster' || kind === 'profile') this.#outdate();
    });
    const aborted = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => aborted.resolve(), { once: true });
    if (signal.aborted) aborted.resolve();
    try {
      await Promise.race([this.#view.synced, aborted.promise]);
      const reading = this.#readAll(sources, signal);
      await Promise.race([reading, this.#bug.promise]);
    } finally {
      unsubscribe();
    }
  }

  async #readAll(sources: readonly FlowSource[], signal: AbortSignal): Promise<void> {
    let open = sources.length;
    const reading = sources.map(async (source) => {
      await this.#read(source, signal);
      open--;
    });
    while (!signal.aborted && (open > 0 || this.#queue.length + this.#held.size > 0)) {
      await pause(this.#clock, heldTickMs, signal);
      if (this.#queue.length > 0 || this.#held.isDue(this.#clock.now())) await this.#drain(signal);
    }
    await Promise.all(reading);
  }

  async #read(source: FlowSource, signal: AbortSignal): Promise<void> {
    const onState = (state: SourceState, message: string) => this.#sources.tell(source.name, state, message);
    const batches = reconnecting(source, signal, { clock: this.#clock, random: this.#random, onState });
    for await (const batch of batches) {
      if (signal.aborted) return;
      await this.#deliver(source, batch, signal);
    }
  }

  /** Counts a batch, now or when the attribution is what the cluster is. */
  async #deliver(source: FlowSource, batch: FlowBatch, signal: AbortSignal): Promise<void> {
    this.#queue.push({ source, batch });
    this.#queuedFlows += batch.flows.length;
    const draining = this.#drain(signal);
    if (this.#queuedFlows > mostQueued) await draining;
  }

  #drain(signal: AbortSignal): Promise<void> {
    this.#draining ??= this.#countQueue(signal)
      .catch((error: unknown) => {
        if (!signal.aborted) this.#bug.reject(error as Error);
      })
      .finally(() => {
        this.#draining = undefined;
      });
    return this.#draining;
  }

  async #countQueue(signal: AbortSignal): Promise<void> {
    if (this.#stale) await this.#renew(signal);
    const queue = this.#queue;
    this.#queue = [];
    this.#queuedFlows = 0;
    for (const { source, batch } of queue) this.#take(source, batch);
    const now = this.#clock.now();
    if (this.#held.isDue(now)) this.#held.settle(now, (flow, due) => due && this.#count(flow, false));
  }

  #outdate(): void {
    this.#stale = true;
    this.#attribution.outdate();
  }

  /** Takes up the attribution by the cluster as it is now. */
  async #renew(signal: AbortSignal): Promise<void> {
    const { waitMs } = this.#attribution;
    if (waitMs > 0) await this.#clock.sleep(waitMs, signal);
    const startMs = this.#clock.now();
    this.#stale = false;
    const { cluster, attributor } = this.#attribution.current();
    if (cluster !== this.#cluster) this.#onCluster?.(cluster);
    this.#cluster = cluster;
    if (attributor === this.#attributor) return;
    this.#noteObserved();
    this.#attributor = attributor;
    this.#attributions++;
    this.#held.settle(startMs, (flow, due) => this.#count(flow, !due));
    this.#attribution.spent(startMs);
  }

  #take(source: FlowSource, batch: FlowBatch): void {
    const { flows, losses, observed = [], rejected, records } = batch;
    const now = this.#clock.now();
    // what a node lost may hang on whether it was heard of before
    for (const loss of this.#lossTimes.dated(source.name, batch, now)) this.#graph.loss(loss);
    for (const flow of flows) {
      if (!this.#count(flow, true) && !this.#held.hold(flow, now)) this.#count(flow, false);
    }
    for (const time of observed) this.#graph.observed(time);
    this.#records += records;
    this.#rejected += rejected.length;
    this.#losses += losses.length;
    this.#moveOn(source.name, batch);
    this.#sources.count(source.name, batch);
  }

  #moveOn(source: string, { position, producer, forgotten = [], saved }: FlowBatch): void {
    for (const name of forgotten) this.#positions.set(`${source}/${name}`, undefined);
    if (position !== undefined)
      this.#positions.set(producer === undefined ? source : `${source}/${producer}`, position);
    if (saved !== undefined) this.#awaited.push(saved);
  }

  /** Counts a flow, unless it `mayWait` and a side of it may become known; false: it was not counted. */
  #count(flow: Flow, mayWait: boolean): boolean {
    const attributor = this.#attributor as FlowAttributor;
    const before = attributor.contradictions;
    const sighting = attributor.attribute(flow);
    const { endpoint: client } = sighting.client;
    const { endpoint: server } = sighting.server;
    if (mayWait && (mayBecomeKnown(client) || mayBecomeKnown(server))) return false;
    this.#contradictions += attributor.contradictions - before;
    this.#countUnknown(client);
    this.#countUnknown(server);
    this.#flows++;
    this.#graph.observe(sighting, flow.node);
    this.#onSighting?.(sighting);
    return true;
  }

  #countUnknown(endpoint: Endpoint): void {
    if (endpoint.kind !== 'unknown') return;
    this.#unattributed.set(endpoint.reason, (this.#unattributed.get(endpoint.reason) ?? 0) + 1);
  }

  #noteObserved(): void {
    const { apiServer = [], nodes = [] } = this.#attributor?.observed ?? {};
    for (const ip of apiServer) if (this.#apiServer.size < mostObserved) this.#apiServer.add(ip);
    for (const ip of nodes) if (this.#nodes.size < mostObserved) this.#nodes.add(ip);
  }
}

export interface IngestCheckpoint extends Omit<IngestMemory, 'recent'> {
  readonly positions: SourcePositions;
  /** To be called when all of it is saved. */
  readonly saved: readonly (() => void)[];
}

interface QueuedBatch {
  readonly source: FlowSource;
  readonly batch: FlowBatch;
}

/** The watch may tell in a moment who this is. */
function mayBecomeKnown(endpoint: Endpoint): boolean {
  return endpoint.kind === 'unknown' && (endpoint.reason === 'no-owner' || endpoint.reason === 'not-in-inventory');
}

/** Sleeps, and ends early without a failure when aborted. */
async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  try {
    await clock.sleep(ms, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
