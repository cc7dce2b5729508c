import { appendFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import type { Round } from '../../controller/backend.ts';
import { runController } from '../../controller/compose.ts';
import { type ControllerConfigInput, controllerConfig } from '../../controller/config.ts';
import type { KubernetesObject, ObjectRef } from '../../controller/model/kubernetes-object.ts';
import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import type { PolicyApproval } from '../../controller/model/policy-approval.ts';
import type { AuditEntry, ClusterView, ObjectStore } from '../../controller/ports.ts';
import { flowLine } from './tiny-shop.ts';

/** What stands behind a controller under test: a workspace directory, or a real API server. */
export interface WorldBackend {
  /** As a person with all rights. */
  readonly store: ObjectStore;
  /** Whether the API server says who decided; else people claim it. */
  readonly stamps: boolean;
  readonly config: ControllerConfigInput;
  makeNamespace(namespace: string, labels: Readonly<Record<string, string>>): Promise<void>;
  /** Makes an object of the cluster or a profile, or replaces it, status and all. */
  put(object: KubernetesObject): Promise<void>;
  take(ref: ObjectRef): Promise<void>;
  /** A policy that somebody else wrote. */
  writeForeignPolicy(policy: NetworkPolicy): Promise<void>;
  /** A stored policy is written over by hand, its marks too. */
  editPolicy(policy: NetworkPolicy): Promise<void>;
  /** Whether decisions can be made now: an API server asks the controller to stamp them. */
  canDecide(): Promise<boolean>;
  decide(user: string, approval: PolicyApproval): Promise<PolicyApproval>;
  audit(): AsyncIterable<AuditEntry>;
  /** A mark of everything that was written lastingly, by its place; it changes with each write. */
  versions(): Promise<ReadonlyMap<string, string>>;
}

const withinMs = 45_000;
export const minuteMs = 60_000;

/** A controller in this process, and the traffic that it watches. */
export class ControllerWorld {
  readonly backend: WorldBackend;
  readonly #flows: string;
  #rounds = 0;
  #stop: AbortController | undefined;
  #running: Promise<void> | undefined;
  #failure: unknown;
  #view: ClusterView | undefined;
  #page: string | undefined;

  private constructor(backend: WorldBackend, flows: string) {
    this.backend = backend;
    this.#flows = flows;
  }

  /** `flows`: path of the file that it follows. */
  static async start(backend: WorldBackend, flows: string): Promise<ControllerWorld> {
    const world = new ControllerWorld(backend, flows);
    // something was seen at all times, so that nothing looks like a hole in the watching
    const nowMs = Date.now();
    const pulse = Array.from({ length: 6 * 12 }, (_, i) => nowMs - 6 * 60 * minuteMs + i * 5 * minuteMs);
    await writeFile(flows, pulse.map((timeMs) => flowAt('pulse/heart > pulse/vein 80', timeMs)).join(''));
    await world.run();
    return world;
  }

  /** Where its page is, when it has one. */
  get page(): string {
    if (this.#page === undefined) throw new Error('this controller has no page');
    return this.#page;
  }

  get store(): ObjectStore {
    return this.backend.store;
  }

  async run(): Promise<void> {
    const stop = new AbortController();
    const config = controllerConfig({
      refreshMs: 200,
      figuresMs: 500,
      flushMs: 500,
      leaseMs: 1_500,
      flows: [this.#flows],
      ...this.backend.config,
    });
    const log = pino({ level: process.env['NANOSEG_TEST_LOG'] ?? 'silent' });
    const notifier = { notify: () => undefined, close: async () => undefined };
    const onRound = ({ view }: Round) => {
      this.#view = view;
      this.#rounds++;
    };
    this.#stop = stop;
    this.#failure = undefined;
    const onPage = (url: string) => (this.#page = url);
    this.#running = runController({ config, version: '0.0.0-test', log, notifier, onRound, onPage }, stop.signal);
    this.#running.catch((error: unknown) => (this.#failure = error));
    await this.rounds(1);
    await this.eventually('decisions can be made', async () => (await this.backend.canDecide()) || undefined);
  }

  async stop(): Promise<void> {
    this.#stop?.abort();
    await this.#running;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.run();
  }

  /** Waits for what `look` finds; not for long, and not when the controller has failed. */
  async eventually<Found>(what: string, look: () => Promise<Found | undefined>): Promise<Found> {
    const deadline = Date.now() + withinMs;
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      const found = await look();
      if (found !== undefined) return found;
      if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
      await sleep(50);
    }
  }

  /** Resolves when everything was looked at so many times from now on. */
  async rounds(count: number): Promise<void> {
    // the round that is under way may have begun before
    const wanted = this.#rounds + count + 1;
    await this.eventually(`${count} rounds of the controller`, async () => (this.#rounds >= wanted ? true : undefined));
  }

  /** Resolves when the controller has heard of what a person did. */
  async sees(what: string, holds: (view: ClusterView) => boolean): Promise<void> {
    await this.eventually(what, async () => (this.#view !== undefined && holds(this.#view) ? true : undefined));
  }

  async observe(lines: readonly string[]): Promise<void> {
    await appendFile(this.#flows, lines.join(''));
  }
}

/** One flow of nanoseg's own format at that time. */
export function flowAt(text: string, timeMs: number, facts: Parameters<typeof flowLine>[2] = {}): string {
  return flowLine(text, 0, { timeMs, endMs: timeMs, ...facts });
}
