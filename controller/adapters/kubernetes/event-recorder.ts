import { randomUUID } from 'node:crypto';
import { ClusterError } from '../../model/cluster-error.ts';
import type { KubernetesObject, ObjectRef } from '../../model/kubernetes-object.ts';
import type { Clock, EventRecorder } from '../../ports.ts';
import type { KubeClient } from './kube-client.ts';
import { apiVersionOf, newestResource, resourcePath } from './resource-paths.ts';

export interface EventRecorderOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  /** What reports, for `kubectl describe`. @default nanoseg-controller */
  readonly component?: string;
  /** Which of its replicas: the pod's name. */
  readonly instance: string;
  /** Different events that wait to be sent; more are dropped. @default 1000 */
  readonly queueLimit?: number;
  /** @default 25 */
  readonly burst?: number;
  /** Once the burst is used up. @default 5 */
  readonly perSecond?: number;
  /** @default 5000 */
  readonly retryMs?: number;
  /** The server did not take an event. */
  readonly onFailure?: (error: ClusterError) => void;
  /** The server took one. */
  readonly onSent?: () => void;
}

/** An EventRecorder that sends what waits while it runs. */
export interface SendingEventRecorder extends EventRecorder {
  /** Sends until aborted. */
  run(signal: AbortSignal): Promise<void>;
  /** How many were not and will not be sent. */
  readonly dropped: number;
}

type EventType = 'Normal' | 'Warning';

/** The same thing said of the same object, however often. */
interface Happening {
  readonly key: string;
  readonly subject: KubernetesObject | ObjectRef;
  readonly type: EventType;
  readonly reason: string;
  readonly message: string;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly count: number;
}

interface StoredEvent {
  readonly path: string;
  readonly count: number;
  readonly lastMs: number;
}

/** Servers keep events for an hour; a later one is told as a new one. */
const sameEventMs = 30 * 60_000;
const storedLimit = 2000;
const messageLimit = 1024;

/** Events of v1: what repeats is counted on one event, what is too much is dropped, nobody ever waits for them. */
export function createEventRecorder(options: EventRecorderOptions): SendingEventRecorder {
  return new QueueingEventRecorder(options);
}

class QueueingEventRecorder implements SendingEventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #waiting = new Map<string, Happening>();
  readonly #stored = new Map<string, StoredEvent>();
  #wake: () => void = () => undefined;
  #dropped = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  get dropped(): number {
    return this.#dropped;
  }

  record(subject: KubernetesObject | ObjectRef, type: EventType, reason: string, message: string): void {
    const { kind, namespace, name } = refOf(subject);
    const key = JSON.stringify([kind, namespace, name, type, reason, message]);
    const nowMs = this.#options.clock.now();
    this.#enqueue({ key, subject, type, reason, message, firstMs: nowMs, lastMs: nowMs, count: 1 });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, burst = 25, perSecond = 5, retryMs = 5000 } = this.#options;
    let tokens = burst;
    let filledAtMs = clock.now();
    while (!signal.aborted) {
      await this.#somethingWaits(signal);
      const [next] = this.#waiting.values();
      if (next === undefined) continue;
      const nowMs = clock.now();
      tokens = Math.min(burst, tokens + (Math.max(0, nowMs - filledAtMs) / 1000) * perSecond);
      filledAtMs = nowMs;
      if (tokens < 1) {
        await pause(clock, 1000 / perSecond, signal);
        continue;
      }
      tokens--;
      this.#waiting.delete(next.key);
      if (!(await this.#send(next, signal))) await pause(clock, retryMs, signal);
    }
  }

  #enqueue(happening: Happening): void {
    const { queueLimit = 1000 } = this.#options;
    const former = this.#waiting.get(happening.key);
    if (former !== undefined) {
      const count = former.count + happening.count;
      this.#waiting.set(happening.key, { ...former, count, lastMs: Math.max(former.lastMs, happening.lastMs) });
    } else if (this.#waiting.size < queueLimit) {
      this.#waiting.set(happening.key, happening);
    } else {
      this.#dropped += happening.count;
    }
    this.#wake();
  }

  async #somethingWaits(signal: AbortSignal): Promise<void> {
    if (this.#waiting.size > 0 || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const wake = () => {
        signal.removeEventListener('abort', wake);
        this.#wake = () => undefined;
        resolve();
      };
      this.#wake = wake;
      signal.addEventListener('abort', wake, { once: true });
    });
  }

  /** False: the server cannot take it now, and it waits again. */
  async #send(happening: Happening, signal: AbortSignal): Promise<boolean> {
    try {
      if (!(await this.#countUp(happening, signal))) await this.#create(happening, signal);
      this.#options.onSent?.();
      return true;
    } catch (error) {
      if (signal.aborted) return true;
      if (!(error instanceof ClusterError)) throw error;
      this.#options.onFailure?.(error);
      if (error.retryable) this.#enqueue(happening);
      else this.#dropped += happening.count;
      return !error.retryable;
    }
  }

  /** False when there is no event of it that could be counted up. */
  async #countUp({ key, lastMs, count }: Happening, signal: AbortSignal): Promise<boolean> {
    const stored = this.#stored.get(key);
    if (stored === undefined || lastMs - stored.lastMs > sameEventMs) return false;
    const sum = stored.count + count;
    try {
      await this.#options.client.request({
        method: 'PATCH',
        path: stored.path,
        contentType: 'application/merge-patch+json',
        body: { count: sum, lastTimestamp: seconds(lastMs) },
        signal,
      });
    } catch (error) {
      if (error instanceof ClusterError && error.code === 'NotFound') return false;
      throw error;
    }
    this.#remember(key, { path: stored.path, count: sum, lastMs });
    return true;
  }

  async #create(happening: Happening, signal: AbortSignal): Promise<void> {
    const { client, component = 'nanoseg-controller', instance } = this.#options;
    const { key, subject, type, reason, message, firstMs, lastMs, count } = happening;
    const ref = refOf(subject);
    const { uid, resourceVersion } = 'metadata' in subject ? subject.metadata : {};
    const apiVersion = 'apiVersion' in subject ? subject.apiVersion : apiVersionOf(ref.kind);
    // events about objects without a namespace are kept there
    const namespace = ref.namespace || 'default';
    const name = `${ref.name.slice(0, 200)}.${randomUUID()}`;
    const resource = newestResource('Event');
    const body = {
      apiVersion: resource.apiVersion,
      kind: resource.kind,
      metadata: { name, namespace },
      involvedObject: { ...ref, apiVersion, uid, resourceVersion },
      type,
      reason,
      message: message.length > messageLimit ? `${message.slice(0, messageLimit - 1)}…` : message,
      firstTimestamp: seconds(firstMs),
      lastTimestamp: seconds(lastMs),
      count,
      source: { component },
      reportingComponent: component,
      reportingInstance: instance,
    };
    await client.request({ method: 'POST', path: resourcePath(resource, namespace), body, signal });
    this.#remember(key, { path: resourcePath(resource, namespace, name), count, lastMs });
  }

  #remember(key: string, event: StoredEvent): void {
    this.#stored.delete(key);
    this.#stored.set(key, event);
    const [oldest] = this.#stored.keys();
    if (this.#stored.size > storedLimit && oldest !== undefined) this.#stored.delete(oldest);
  }
}

function refOf(subject: KubernetesObject | ObjectRef): ObjectRef {
  if (!('metadata' in subject)) return subject;
  const { namespace = '', name } = subject.metadata;
  return { kind: subject.kind, namespace, name };
}

function seconds(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/\.\d+Z$/, 'Z');
}

async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  await clock.sleep(ms, signal).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
