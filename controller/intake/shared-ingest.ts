import { randomUUID } from 'node:crypto';
import { FlowAppender } from '../adapters/redis/flow-appender.ts';
import { type MemberReport, Members } from '../adapters/redis/members.ts';
import { openRedisLink } from '../adapters/redis/open-redis-link.ts';
import { openShard } from '../adapters/redis/shard-store.ts';
import { SourceOutbox } from '../adapters/redis/source-outbox.ts';
import type { LiveInventory } from '../adapters/inventory/live-inventory.ts';
import type { ControllerMetrics } from '../adapters/prometheus/metrics.ts';
import { systemClock } from '../adapters/system-clock.ts';
import { type Backend, type ControllerParts, identity } from '../backend.ts';
import type { IngestCounters } from './live-ingest.ts';
import { liveSources } from './live-sources.ts';
import { keepBeating, reportedCounters, reportedSource } from './member-beat.ts';
import { type Problem, problem } from '../model/problem.ts';
import { openSharedEvidence, repairable, type SharedEvidence, untilOpen } from './open-evidence.ts';
import { pullSource } from './pulled-source.ts';
import { openPush, type PushEndpoint } from './push-endpoint.ts';
import { Receiver } from './receiver.ts';
import type { FlowSource, SourcePosition } from '../ports.ts';
import { ShardWork } from './shard-work.ts';
import { SourceFigures } from './source-figures.ts';

interface Working {
  readonly receiver: Receiver;
  readonly pulled: SourceFigures;
  readonly appender: FlowAppender;
  readonly work: ShardWork;
}

/** Takes flows, passes them on to the shards, and counts those of its share of them. */
export class SharedIngest {
  readonly #parts: ControllerParts;
  readonly #view: LiveInventory;
  readonly #metrics: ControllerMetrics;
  readonly #startedMs = systemClock.now();
  #working: Working | undefined;

  constructor(parts: ControllerParts, view: LiveInventory, metrics: ControllerMetrics) {
    this.#parts = parts;
    this.#view = view;
    this.#metrics = metrics;
  }

  /** What of it does not work now. */
  get degraded(): readonly Problem[] {
    return this.#problems().map((message) => problem('EvidenceUnwritable', message));
  }

  /** Undefined until flows are taken. */
  get counters(): IngestCounters | undefined {
    return this.#working?.work.counters;
  }

  /** Puts what is known into the metrics. */
  tellMetrics(): void {
    if (this.#working === undefined) return;
    const { receiver, pulled, appender, work } = this.#working;
    for (const { name, flows, rejected } of [...receiver.health, ...pulled.health]) {
      this.#metrics.ingested(name, flows, rejected);
    }
    const { lastSavedMs, problems } = work.saving;
    this.#metrics.evidence(lastSavedMs, problems.length > 0);
    this.#metrics.shared.ingest({ ...appender.health, held: work.shards.length });
  }

  /** Until aborted. Rejects with ControllerProblem for what a person has to repair. */
  async run(backend: Backend, signal: AbortSignal): Promise<void> {
    const { config, log } = this.#parts;
    const { redis } = config;
    if (redis === undefined) throw new Error('flows are shared over Redis');
    const push = await openPush(this.#parts, backend, this.#view, this.#metrics.push);
    try {
      await Promise.race([this.#view.synced, aborted(signal)]);
      for (const found of this.#view.problems()) log.warn({ problem: found }, 'a part of the input cannot be used');
      const shared = await openSharedEvidence({ ...config, redis }, log, signal);
      try {
        // what is saved is large, and flows that come in do not wait for it
        const saving = await untilOpen(() => openRedisLink(redis), log, signal);
        try {
          await this.#share(shared, { link: saving, shards: shared.shards }, push, signal);
        } finally {
          saving.close();
        }
      } finally {
        shared.link.close();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await push?.close();
    }
  }

  async #share(
    { link, shards }: SharedEvidence,
    saving: SharedEvidence,
    push: PushEndpoint | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { config, log } = this.#parts;
    const { leaseMs, flushMs, redis } = config;
    const clock = systemClock;
    const random = Math.random;
    const members = new Members(link, shards, identity, leaseMs);
    const appender = new FlowAppender({
      link,
      shards,
      clock,
      ...(redis?.waiting !== undefined && { mostWaiting: redis.waiting }),
    });
    const receiver = new Receiver({ appender, self: `receiver ${randomUUID()}`, clock, random });
    const pulled = new SourceFigures();
    const retention = redis?.retentionMs ? { retentionMs: redis.retentionMs } : {};
    const work = new ShardWork({
      count: shards.count,
      open: (shard) => openShard({ ...saving, shard, who: identity, clock, leaseMs, ...retention }),
      others: () => othersOf(members),
      view: this.#view,
      flushMs,
      clock,
      random,
      log,
    });
    this.#working = { receiver, pulled, appender, work };
    const ended = new AbortController();
    const over = AbortSignal.any([signal, ended.signal]);
    const taking = Promise.all([
      aborted(over),
      push?.run(receiver, new Map(), over),
      ...liveSources(config.sources, { positions: new Map(), clock }).map(({ name }, i) => {
        const open = (position: SourcePosition | undefined) =>
          liveSources(config.sources.slice(i, i + 1), {
            positions: new Map([[name, position]]),
            clock,
          })[0] as FlowSource;
        const claim = () => SourceOutbox.claim({ link, shards, source: name, who: identity, leaseMs });
        const renewMs = leaseMs / 3;
        return pullSource({ name, open, claim, appender, figures: pulled, clock, random, renewMs }, over);
      }),
    ]);
    // the last batches are passed on before nothing is any more
    const passing = new AbortController();
    const tasks = [
      repairable(() => taking).finally(() => passing.abort()),
      repairable(() => appender.run(passing.signal)),
      work.run(over),
      keepBeating({ members, report: () => this.#report({ receiver, pulled, appender, work }), clock, log }, over),
    ];
    try {
      await Promise.all(tasks);
    } finally {
      ended.abort();
      await Promise.allSettled(tasks);
    }
  }

  #report({ receiver, pulled, work }: Working): MemberReport {
    return {
      role: 'ingest',
      who: identity,
      startedMs: this.#startedMs,
      shards: [...work.shards],
      sources: [...receiver.health, ...pulled.health].map(reportedSource),
      counters: reportedCounters(work.counters),
      problems: this.#problems(),
    };
  }

  #problems(): string[] {
    if (this.#working === undefined) return [];
    const { appender, work } = this.#working;
    const { failure } = appender.health;
    return [...(failure === undefined ? [] : [`${failure.where}: ${failure.message}`]), ...work.saving.problems];
  }
}

function othersOf(members: Members) {
  const others = [...members.live].filter(([id, { role }]) => id !== identity && role === 'ingest');
  return { count: others.length, shards: new Set(others.flatMap(([, { shards }]) => shards)) };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
