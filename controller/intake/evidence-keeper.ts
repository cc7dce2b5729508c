import type { GraphDelta } from '../graph/graph-delta.ts';
import type { Growth } from '../graph/growth.ts';
import type { TrafficGraph } from '../graph/traffic-graph.ts';
import type { LiveIngest } from './live-ingest.ts';
import { type Problem, problem } from '../model/problem.ts';
import type { Clock, ConnectionStore, IngestMemory, SourcePosition, SourcePositions } from '../ports.ts';

export interface EvidenceKeeperOptions {
  readonly store: ConnectionStore;
  /** Made with `saved: true`, and new when `load` is called. */
  readonly graph: TrafficGraph;
  readonly ingest: LiveIngest;
  readonly clock: Clock;
  /** A crash loses at most the flows of so long, which sources that can are then asked for again. @default 5000 */
  readonly flushMs?: number;
  /** Called after every attempt to save. */
  readonly onHealth?: (health: KeeperHealth) => void;
}

/** How the saving fares. */
export interface KeeperHealth {
  /** Undefined: not yet. */
  readonly lastSavedMs: number | undefined;
  /** Why the last attempt failed; undefined when it did not. Nothing is lost while the process runs. */
  readonly failure: Problem | undefined;
}

/** All that belongs together, taken at one moment. */
interface Checkpoint {
  readonly changes: GraphDelta;
  readonly growth: Growth | undefined;
  readonly positions: SourcePositions;
  readonly memory: IngestMemory;
  readonly saved: readonly (() => void)[];
}

/** Saves are made early when so many connections changed, so that none of them takes long. */
const mostChanges = 10_000;
const tickMs = 250;

/** Keeps the evidence of a graph in a store: what was counted and how far sources were read are always saved together. */
export class EvidenceKeeper {
  readonly #store: ConnectionStore;
  readonly #graph: TrafficGraph;
  readonly #ingest: LiveIngest;
  readonly #clock: Clock;
  readonly #flushMs: number;
  /** Taken and not saved: it comes first, before anything newer. */
  #pending: Checkpoint | undefined;
  #saving: Promise<void> | undefined;
  /** Of all sources, as they were taken last. */
  readonly #positions = new Map<string, SourcePosition>();
  readonly #onHealth: ((health: KeeperHealth) => void) | undefined;
  /** What was never loaded must not be replaced. */
  #loaded = false;
  #lastSavedMs: number | undefined;
  #failure: Problem | undefined;

  constructor({ store, graph, ingest, clock, flushMs = 5_000, onHealth }: EvidenceKeeperOptions) {
    this.#store = store;
    this.#graph = graph;
    this.#ingest = ingest;
    this.#clock = clock;
    this.#flushMs = flushMs;
    this.#onHealth = onHealth;
  }

  get health(): KeeperHealth {
    return { lastSavedMs: this.#lastSavedMs, failure: this.#failure };
  }

  /** Fills the graph and tells where sources go on, by their names; or why the stored evidence does not fit the graph. */
  async load(): Promise<ReadonlyMap<string, SourcePosition> | Problem> {
    const { binMs, evidence, positions, memory } = await this.#store.load();
    if (binMs !== undefined && binMs !== this.#graph.binMs) {
      const message = `the stored evidence is in time bins of ${binMs / 1000}s, the profile asks for ${this.#graph.binMs / 1000}s`;
      return problem('EvidenceBinsDiffer', message);
    }
    this.#graph.restore(evidence, memory.recent);
    this.#ingest.restore(memory);
    for (const [source, position] of positions) this.#positions.set(source, position);
    this.#loaded = true;
    return positions;
  }

  /**
   * Saves every so often until aborted, and at the next tick when somebody waits for it: all who do share one save.
   * `close` saves the rest. Rejects only for bugs.
   */
  async run(signal: AbortSignal): Promise<void> {
    for (let lastMs = this.#clock.now(); !signal.aborted; ) {
      try {
        await this.#clock.sleep(Math.min(tickMs, this.#flushMs), signal);
      } catch (error) {
        if (!signal.aborted) throw error;
        return;
      }
      const now = this.#clock.now();
      // a store that fails is not asked again at every tick
      const isAwaited = this.#ingest.isAwaited && this.#failure === undefined;
      if (now - lastMs < this.#flushMs && this.#graph.changedConnections < mostChanges && !isAwaited) continue;
      lastMs = now;
      await this.save();
    }
  }

  /**
   * Saves what changed since the last time, nothing before `load`. A store that fails is told in `health`, and tried again
   * the next time; one that has lost what was saved is then given everything.
   */
  async save(): Promise<void> {
    if (!this.#loaded) return;
    await this.#saving;
    this.#saving = this.#saveNow();
    await this.#saving;
  }

  /** Saves the rest and closes the store; after the ingest has ended. */
  async close(): Promise<void> {
    await this.save();
    await this.#store.close();
  }

  async #saveNow(): Promise<void> {
    try {
      // what failed before is a step of its own: what it holds was taken together
      if (this.#pending !== undefined) await this.#write(this.#pending);
      this.#pending = this.#take();
      await this.#write(this.#pending);
      this.#lastSavedMs = this.#clock.now();
      this.#failure = undefined;
    } catch (error) {
      const found = problemOf(error);
      if (found === undefined) throw error;
      this.#failure = found;
      if (found.code === 'EvidenceLost') this.#pending = this.#takeEverything();
    }
    this.#onHealth?.(this.health);
  }

  async #write({ changes, growth, positions, memory, saved }: Checkpoint): Promise<void> {
    await this.#store.save(changes, positions, memory, growth);
    this.#pending = undefined;
    for (const tell of saved) tell();
  }

  #take(): Checkpoint {
    const { delta, recent, growth } = this.#graph.takeChanges();
    const { positions, held, observed, saved } = this.#ingest.checkpoint();
    for (const [source, position] of positions) {
      if (position === undefined) this.#positions.delete(source);
      else this.#positions.set(source, position);
    }
    return { changes: delta, growth, positions, memory: { recent, held, observed }, saved };
  }

  /** What was taken before and is saved nowhere is part of it. */
  #takeEverything(): Checkpoint {
    const waiting = this.#pending?.saved ?? [];
    const { memory, saved } = this.#take();
    const { delta, recent, growth } = this.#graph.takeEverything();
    const positions = new Map(this.#positions);
    return { changes: delta, growth, positions, memory: { ...memory, recent }, saved: [...waiting, ...saved] };
  }
}

function problemOf(error: unknown): Problem | undefined {
  return error instanceof Error && 'problem' in error ? (error.problem as Problem) : undefined;
}
