import { ClusterError } from '../../model/cluster-error.ts';
import type { Clock, Leadership } from '../../ports.ts';
import type { KubeClient } from './kube-client.ts';
import { type Lease, LeaseRecord } from './lease.ts';

export interface LeaseLeadershipOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  /** @default nanoseg-controller */
  readonly name?: string;
  /** Unique to this process: a pod that was started anew is somebody else. */
  readonly identity: string;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Others wait so long after the last renewal that they saw. @default 15000 */
  readonly durationMs?: number;
  /** @default 2000 */
  readonly renewEveryMs?: number;
  /** Without a renewal for so long the lease counts as lost: what is left of its duration is for writes under way. @default 10000 */
  readonly renewDeadlineMs?: number;
  /** Milliseconds that only ever grow, unlike the time of day. @default performance.now */
  readonly monotonicMs?: () => number;
  /** For the log: the lease could not be read or written; it is tried again. */
  readonly onFailure?: (error: ClusterError) => void;
}

/** The lease is not, or not surely, ours: nothing may be written. */
export class LeaseLost extends ClusterError {
  constructor(message: string) {
    super('Unavailable', message);
    this.name = 'LeaseLost';
  }
}

/**
 * Leadership by a Lease: whoever holds it renews it; others take it when they have seen it unchanged for its whole
 * duration. Only differences of one's own clock count, never times that others wrote, and a holder counts from before
 * it sent a renewal while others count from after they saw it: two never hold at once as long as clocks run equally fast.
 */
export function createLeaseLeadership(options: LeaseLeadershipOptions): Leadership {
  return new LeaseLeadership(options);
}

class LeaseLeadership implements Leadership {
  readonly #options: LeaseLeadershipOptions;
  readonly #record: LeaseRecord;
  readonly #durationMs: number;
  readonly #renewEveryMs: number;
  readonly #renewDeadlineMs: number;
  readonly #monotonicMs: () => number;
  #observed: { readonly fingerprint: string; readonly holder: string; readonly expiresAtMs: number } | undefined;
  /** When the last successful renewal was begun; undefined: not held. */
  #heldSinceMs: number | undefined;

  constructor(options: LeaseLeadershipOptions) {
    const { client, namespace, name = 'nanoseg-controller' } = options;
    const { durationMs = 15_000, renewEveryMs = 2000, renewDeadlineMs = 10_000 } = options;
    if (!(renewEveryMs < renewDeadlineMs && renewDeadlineMs < durationMs)) {
      throw new RangeError('a lease is renewed more often than its deadline, and its deadline is before its end');
    }
    this.#options = options;
    this.#durationMs = durationMs;
    this.#renewEveryMs = renewEveryMs;
    this.#renewDeadlineMs = renewDeadlineMs;
    this.#monotonicMs = options.monotonicMs ?? (() => performance.now());
    // a request that hangs leaves time for another one
    this.#record = new LeaseRecord(client, { namespace, name }, Math.round((renewDeadlineMs - renewEveryMs) / 2));
  }

  get holder(): string | undefined {
    return this.#observed?.holder || undefined;
  }

  assertHeld(): void {
    if (this.#heldSinceMs === undefined) {
      throw new LeaseLost(`not the leader: the lease is held by ${this.holder ?? 'nobody'}`);
    }
    if (this.#monotonicMs() >= this.#heldSinceMs + this.#renewDeadlineMs) {
      throw new LeaseLost(`not surely the leader: the lease was not renewed for ${this.#renewDeadlineMs} ms`);
    }
  }

  async run(lead: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    while (await this.#acquire(signal)) await this.#leadOnce(lead, signal);
  }

  /** False when aborted before it was acquired. */
  async #acquire(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      if (await this.#attempt()) {
        if (!signal.aborted) return true;
        await this.#release();
        break;
      }
      const untilExpiryMs = (this.#observed?.expiresAtMs ?? 0) - this.#monotonicMs();
      const pauseMs = this.#renewEveryMs * (0.5 + this.#options.random() / 2);
      await this.#sleep(untilExpiryMs > 0 ? Math.min(pauseMs, untilExpiryMs + 1) : pauseMs, signal);
    }
    return false;
  }

  async #leadOnce(lead: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const lost = new AbortController();
    const ended = new AbortController();
    const stop = () => lost.abort(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    try {
      const leading = lead(lost.signal)
        .catch((error: unknown) => {
          // whatever a leader throws while it is being stopped is about being stopped
          if (!lost.signal.aborted) throw error;
        })
        .finally(() => ended.abort());
      const renewing = this.#renew(lost, ended.signal).catch((error: unknown) => {
        lost.abort(error);
        throw error;
      });
      // a leader that is asked to stop still holds the lease until it has
      const failed = (await Promise.allSettled([leading, renewing])).find((end) => end.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    } finally {
      signal.removeEventListener('abort', stop);
      await this.#release();
    }
  }

  /** Renews until the leader has ended, or until the lease is lost. */
  async #renew(lost: AbortController, ended: AbortSignal): Promise<void> {
    const lose = (message: string) => {
      this.#heldSinceMs = undefined;
      lost.abort(new LeaseLost(message));
    };
    while (!ended.aborted) {
      const leftMs = (this.#heldSinceMs ?? 0) + this.#renewDeadlineMs - this.#monotonicMs();
      const deadline = setTimeout(lose, leftMs, `the lease was not renewed for ${this.#renewDeadlineMs} ms`);
      await this.#sleep(Math.min(this.#renewEveryMs, leftMs), ended);
      const renewed = ended.aborted || (await this.#attempt());
      clearTimeout(deadline);
      if (ended.aborted) return;
      if (!renewed && this.holder !== this.#options.identity) lose(`the lease was taken by ${this.holder ?? 'nobody'}`);
      if (this.#heldSinceMs === undefined || lost.signal.reason instanceof LeaseLost) {
        this.#heldSinceMs = undefined;
        return;
      }
    }
  }

  /** One attempt to acquire or renew. False: somebody else has it, or the server could not be asked. */
  async #attempt(): Promise<boolean> {
    const startedMs = this.#monotonicMs();
    try {
      const lease = await this.#record.read();
      if (lease !== undefined) this.#observe(lease);
      const { identity } = this.#options;
      const isOurs = this.holder === identity;
      // also where the lease was deleted: its last holder may not know yet
      if (!isOurs && this.holder !== undefined && this.#monotonicMs() < (this.#observed?.expiresAtMs ?? 0))
        return false;
      const now = microTime(this.#options.clock.now());
      const former = lease?.spec;
      const written = await this.#record.write(lease, {
        holderIdentity: identity,
        leaseDurationSeconds: Math.ceil(this.#durationMs / 1000),
        acquireTime: isOurs ? (former?.acquireTime ?? now) : now,
        renewTime: now,
        leaseTransitions: (former?.leaseTransitions ?? 0) + (isOurs || former === undefined ? 0 : 1),
      });
      if (written === undefined) return false;
      this.#observe(written);
      this.#heldSinceMs = startedMs;
      return true;
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error;
      this.#options.onFailure?.(error);
      return false;
    }
  }

  #observe({ spec = {} }: Lease): void {
    const fingerprint = JSON.stringify(spec);
    if (fingerprint === this.#observed?.fingerprint) return;
    const durationMs = Math.max(this.#durationMs, (spec.leaseDurationSeconds ?? 0) * 1000);
    this.#observed = {
      fingerprint,
      holder: spec.holderIdentity ?? '',
      expiresAtMs: this.#monotonicMs() + durationMs,
    };
  }

  /** Best effort: without it the others wait for the end of the lease. */
  async #release(): Promise<void> {
    if (this.#heldSinceMs === undefined) return;
    this.#heldSinceMs = undefined;
    try {
      const lease = await this.#record.read();
      if (lease === undefined || lease.spec?.holderIdentity !== this.#options.identity) return;
      const spec = { ...lease.spec, holderIdentity: '', renewTime: microTime(this.#options.clock.now()) };
      const written = await this.#record.write(lease, spec);
      if (written !== undefined) this.#observe(written);
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error;
      this.#options.onFailure?.(error);
    }
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    await this.#options.clock.sleep(ms, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}

function microTime(timeMs: number): string {
  return new Date(timeMs).toISOString().replace('Z', '000Z');
}
