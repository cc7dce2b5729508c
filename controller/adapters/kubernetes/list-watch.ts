import { ClusterError } from '../../model/cluster-error.ts';
import type { KubernetesObject, ObjectRef } from '../../model/kubernetes-object.ts';
import { resourceApiVersion } from '../../model/policy-proposal.ts';
import { type Problem, problem } from '../../model/problem.ts';
import type { Clock } from '../../ports.ts';
import { type BackoffLimits, backoffMs } from '../../reconcile/backoff.ts';
import { KindNotServed } from './api-error.ts';
import type { KubeClient } from './kube-client.ts';
import { listPages } from './list-pages.ts';
import { findResource, newestResource, type Resource } from './resource-paths.ts';
import { type WatchEvent, watchEvents } from './watch-stream.ts';

export interface ListWatchTimings {
  readonly pageSize: number;
  /** A watch lasts once to twice so long before it is made anew. */
  readonly watchMs: number;
  readonly graceMs: number;
  readonly silenceMs: number;
  /** Everything is listed anew after so long, whatever the watches say; undefined: only when a watch cannot go on. */
  readonly resyncMs: number | undefined;
  readonly backoff: BackoffLimits;
  /** For kinds that may not be read or are not there: rights are granted and resources installed later. */
  readonly unreadableBackoff: BackoffLimits;
}

export const defaultListWatchTimings: ListWatchTimings = {
  pageSize: 500,
  watchMs: 300_000,
  graceMs: 30_000,
  silenceMs: 180_000,
  resyncMs: 6 * 3_600_000,
  backoff: { firstMs: 500, mostMs: 30_000 },
  unreadableBackoff: { firstMs: 1000, mostMs: 60_000 },
};

/** What happens to the objects of one kind. */
export interface KindListener {
  replace(kind: string, objects: readonly KubernetesObject[]): void;
  upsert(object: KubernetesObject): void;
  remove(ref: ObjectRef): void;
  unreadable(problem: Problem): void;
  /** For the log: what went wrong and is tried again. */
  failed(error: ClusterError): void;
}

export interface ListWatchOptions {
  readonly client: KubeClient;
  readonly kind: string;
  readonly namespace: string | undefined;
  readonly keep: (object: KubernetesObject) => KubernetesObject;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly timings: ListWatchTimings;
}

/** A watch that ends sooner and told nothing is a failure, or it would be made anew without a pause. */
const shortWatchMs = 1000;
/** A server that has just started refuses, for a moment, what it allowed before. */
const refusalsBelieved = 3;

/** Lists a kind, then watches it, and goes on from where it was after every kind of interruption, until aborted. */
export async function listWatch(options: ListWatchOptions, listener: KindListener, signal: AbortSignal): Promise<void> {
  const feed = new KindFeed(options, listener, signal);
  while (!signal.aborted) {
    try {
      await feed.advance();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ClusterError)) throw error;
      await options.clock.sleep(feed.pauseAfter(error), signal).catch(() => undefined);
    }
  }
}

class KindFeed {
  readonly #options: ListWatchOptions;
  readonly #listener: KindListener;
  readonly #signal: AbortSignal;
  #resource: Resource | undefined;
  /** The resourceVersion up to which everything was told; undefined: list first. */
  #position: string | undefined;
  #listedAtMs = 0;
  #wasRead = false;
  #failures = 0;
  /** Positions in a row that were too old. */
  #expiries = 0;
  #refusals = 0;

  constructor(options: ListWatchOptions, listener: KindListener, signal: AbortSignal) {
    this.#options = options;
    this.#listener = listener;
    this.#signal = signal;
  }

  async advance(): Promise<void> {
    const { client, kind, clock, timings } = this.#options;
    const resource = (this.#resource ??= await findResource(client, kind, this.#signal));
    const { resyncMs = Number.POSITIVE_INFINITY } = timings;
    const position = this.#position ?? (await this.#list(resource));
    const untilResyncMs = Math.max(1000, this.#listedAtMs + resyncMs - clock.now());
    const watchMs = timings.watchMs * (1 + this.#options.random());
    await this.#watch(resource, position, Math.min(watchMs, untilResyncMs));
    if (clock.now() >= this.#listedAtMs + resyncMs) this.#position = undefined;
  }

  async #list(resource: Resource): Promise<string> {
    const { client, namespace, keep, clock, timings } = this.#options;
    const startedMs = clock.now();
    const objects: KubernetesObject[] = [];
    const position = await listPages(client, resource, {
      namespace,
      pageSize: timings.pageSize,
      signal: this.#signal,
      restart: () => objects.splice(0),
      page: (items) => {
        for (const item of items) objects.push(keep(item));
      },
    });
    this.#listener.replace(resource.kind, objects);
    this.#listedAtMs = startedMs;
    this.#position = position;
    this.#wasRead = true;
    return position;
  }

  async #watch(resource: Resource, resourceVersion: string, durationMs: number): Promise<void> {
    const { client, namespace, clock, timings } = this.#options;
    const startedMs = clock.now();
    let told = false;
    const { graceMs, silenceMs } = timings;
    const options = { namespace, resourceVersion, durationMs, graceMs, silenceMs, signal: this.#signal };
    for await (const events of watchEvents(client, resource, options)) {
      told = true;
      this.#failures = this.#expiries = this.#refusals = 0;
      for (const event of events) this.#tell(resource, event);
    }
    if (!told && clock.now() - startedMs < shortWatchMs) {
      throw new ClusterError('Unavailable', `the watch of ${resource.plural} ended at once`);
    }
    this.#failures = this.#expiries = this.#refusals = 0;
  }

  #tell(resource: Resource, { type, object }: WatchEvent): void {
    const { namespace = '', name } = object.metadata;
    switch (type) {
      case 'ADDED':
      case 'MODIFIED':
        this.#listener.upsert(this.#options.keep(object));
        break;
      case 'DELETED':
        this.#listener.remove({ kind: resource.kind, namespace, name });
        break;
      case 'BOOKMARK':
        break;
    }
    this.#position = object.metadata.resourceVersion;
  }

  /** Milliseconds to wait before the next attempt, which goes on from the position where that is still good. */
  pauseAfter(error: ClusterError): number {
    const { random, timings } = this.#options;
    const refused = error.code === 'Forbidden' || error instanceof KindNotServed;
    // without a status it was only the connection
    if (error.status !== 0) this.#position = undefined;
    if (refused) {
      this.#refusals++;
      this.#resource = undefined;
      if (!this.#wasRead || this.#refusals >= refusalsBelieved) {
        this.#wasRead = false;
        this.#listener.unreadable(this.#problemOf(error));
      }
      return backoffMs(this.#refusals, random(), timings.unreadableBackoff);
    }
    // the server answers again, and has only forgotten: what went before was another failure
    this.#failures = error.code === 'Expired' ? ++this.#expiries : this.#failures + 1;
    this.#listener.failed(error);
    return Math.max(error.retryAfterMs ?? 0, backoffMs(this.#failures, random(), timings.backoff));
  }

  #problemOf(error: ClusterError): Problem {
    const { apiVersion, plural } = newestResource(this.#options.kind);
    if (error.code === 'Forbidden') return problem('NotPermitted', error.message);
    if (apiVersion === resourceApiVersion) return problem('NotInstalled', `the server has no ${plural}`);
    return problem('KindNotServed', `the server has no ${plural}`);
  }
}
