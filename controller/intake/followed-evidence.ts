import { EvidenceFollower } from '../adapters/redis/evidence-follower.ts';
import { type LiveMembers, Members } from '../adapters/redis/members.ts';
import type { LiveInventory } from '../adapters/inventory/live-inventory.ts';
import { systemClock } from '../adapters/system-clock.ts';
import { type Backend, type ControllerParts, identity } from '../backend.ts';
import { counterSum } from './counter-sum.ts';
import type { TrafficGraph } from '../graph/traffic-graph.ts';
import { countersOf, keepBeating, sourcesOf } from './member-beat.ts';
import { type Problem, problem } from '../model/problem.ts';
import type { StreamsStatus } from '../model/profile.ts';
import { openSharedEvidence, repairable, type SharedEvidence } from './open-evidence.ts';
import { streamsStatus } from './streams-status.ts';
import type { SeenSoFar, TrafficObservation, WatchesTraffic } from './traffic-observation.ts';

const renewTickMs = 250;
/** After looking at the cluster anew, so many times as long as that took passes before the next time. */
const renewPace = 3;

interface Following extends SharedEvidence {
  readonly follower: EvidenceFollower;
  readonly members: Members;
}

/** What other processes count, followed over Redis. */
export class FollowedEvidence implements TrafficObservation {
  readonly #parts: ControllerParts;
  readonly #view: LiveInventory;
  readonly #watch: WatchesTraffic;
  readonly #begun = Promise.withResolvers<void>();
  readonly #startedMs = systemClock.now();
  #following: Following | undefined;
  #seen: SeenSoFar | undefined;

  constructor(parts: ControllerParts, view: LiveInventory, watch: WatchesTraffic) {
    this.#parts = parts;
    this.#view = view;
    this.#watch = watch;
  }

  get seen(): SeenSoFar | undefined {
    return this.#seen;
  }

  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  get backlogRead(): boolean {
    return this.#seen !== undefined;
  }

  get degraded(): readonly Problem[] {
    if (this.#following === undefined) return [];
    const { follower, members } = this.#following;
    const { failure } = follower.health;
    const isCounted = [...members.live.values()].some(({ role }) => role === 'ingest');
    return [
      ...(failure === undefined ? [] : [failure]),
      ...(isCounted ? [] : [problem('NobodyCounts', 'no process with --role ingest is heard of: nothing new is seen')]),
    ];
  }

  get streams(): StreamsStatus | undefined {
    if (this.#following === undefined) return undefined;
    const { follower, members, link } = this.#following;
    return streamsStatus({
      server: link.name,
      memory: follower.health.memory,
      shards: follower.shards,
      members: [...members.live.values()],
    });
  }

  async run(_backend: Backend, signal: AbortSignal): Promise<void> {
    const { config, log } = this.#parts;
    const { redis } = config;
    if (redis === undefined) throw new Error('evidence is followed over Redis');
    try {
      await Promise.race([this.#view.synced, aborted(signal)]);
      if (signal.aborted) return;
      for (const found of this.#view.problems()) log.warn({ problem: found }, 'a part of the input cannot be used');
      const shared = await openSharedEvidence({ ...config, redis }, log, signal);
      try {
        await this.#follow(shared, signal);
      } finally {
        shared.link.close();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#begun.resolve();
    }
  }

  async #follow({ link, shards }: SharedEvidence, signal: AbortSignal): Promise<void> {
    const { config, log } = this.#parts;
    const { binMs } = this.#view.clusterProfile().profile.learning;
    const members = new Members(link, shards, identity, config.leaseMs);
    const follower = new EvidenceFollower({
      link,
      shards,
      clock: systemClock,
      binMs,
      onSighting: this.#watch.onSighting,
      onReplaced: (graph) => this.#take(graph),
    });
    this.#following = { link, shards, follower, members };
    const report = () => ({
      role: 'decide' as const,
      who: identity,
      startedMs: this.#startedMs,
      shards: [],
      sources: [],
      counters: null,
      problems: follower.health.failure === undefined ? [] : [follower.health.failure.message],
    });
    this.#watch.onCluster();
    await Promise.all([
      keepBeating({ members, report, clock: systemClock, log }, signal),
      this.#renewWatch(signal),
      repairable(() => follower.load(signal)).then(() => {
        this.#begun.resolve();
        return follower.run(signal);
      }),
    ]);
  }

  #take(graph: TrafficGraph): void {
    const { follower, members, shards } = this.#following as Following;
    const { readings, readAnew } = follower.health;
    this.#parts.log.info({ name: shards.name, readings, because: readAnew }, 'all evidence was read');
    const ingest = new FollowedIngest(follower, members);
    this.#seen = { graph, ingest };
  }

  /** Whoever judges flows has to know the cluster before they come. */
  async #renewWatch(signal: AbortSignal): Promise<void> {
    let stale = false;
    const unsubscribe = this.#view.subscribe(({ kind }) => {
      if (kind === 'cluster' || kind === 'profile') stale = true;
    });
    for (let pauseMs = renewTickMs; !signal.aborted; ) {
      await systemClock.sleep(pauseMs, signal).catch(() => undefined);
      pauseMs = renewTickMs;
      if (!stale || signal.aborted) continue;
      stale = false;
      const startMs = systemClock.now();
      this.#watch.onCluster();
      pauseMs = Math.max(renewTickMs, renewPace * (systemClock.now() - startMs));
    }
    unsubscribe();
  }
}

/** What those who count say of it. */
class FollowedIngest {
  readonly #follower: EvidenceFollower;
  readonly #members: { readonly live: LiveMembers };

  constructor(follower: EvidenceFollower, members: { readonly live: LiveMembers }) {
    this.#follower = follower;
    this.#members = members;
  }

  get health() {
    return sourcesOf(this.#members.live.values());
  }

  get counters() {
    return counterSum(countersOf(this.#members.live.values()));
  }

  get observed() {
    return this.#follower.observed;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
