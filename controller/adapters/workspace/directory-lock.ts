import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ClusterError } from '../../model/cluster-error.ts';
import type { Clock, Leadership } from '../../ports.ts';
import { writeVolatile } from './durable-file.ts';
import { isErrno } from './errno.ts';
import { KernelLock } from './kernel-lock.ts';
import { volatileFolder } from './workspace-lock.ts';

export interface DirectoryLockOptions {
  readonly root: string;
  readonly clock: Clock;
  /** Who this process is, for the people who find another one leading. */
  readonly identity: string;
  /** How often the one that waits asks, and the one that leads looks whether the lock is still its own. @default 500 */
  readonly pauseMs?: number;
}

/** Leadership over a workspace directory: a lock that the kernel takes back from a process that is gone. */
export class DirectoryLock implements Leadership {
  readonly #root: string;
  readonly #clock: Clock;
  readonly #identity: string;
  readonly #pauseMs: number;
  #lock: KernelLock | undefined;

  constructor({ root, clock, identity, pauseMs = 500 }: DirectoryLockOptions) {
    this.#root = root;
    this.#clock = clock;
    this.#identity = identity;
    this.#pauseMs = pauseMs;
  }

  /** Who leads, or led last when nobody does at the moment. */
  get holder(): string | undefined {
    if (this.#lock !== undefined) return this.#identity;
    try {
      return readFileSync(join(this.#root, '.nanoseg', 'leader'), 'utf8').trim();
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw error;
    }
  }

  async run(lead: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const folder = await volatileFolder(this.#root);
      const lock = await this.#take(join(folder, 'leader.lock'), signal);
      if (lock === undefined) return;
      using _ = lock;
      this.#lock = lock;
      try {
        await writeVolatile(join(folder, 'leader'), `${this.#identity}\n`);
        await this.#leadWhileHeld(lock, lead, signal);
      } finally {
        this.#lock = undefined;
      }
    }
  }

  assertHeld(): void {
    if (this.#lock?.isHeld() === true) return;
    throw new ClusterError('Unavailable', `${this.#root}: this controller does not lead the workspace`);
  }

  /** Undefined when aborted first. */
  async #take(path: string, signal: AbortSignal): Promise<KernelLock | undefined> {
    try {
      return await KernelLock.take(path, this.#clock, signal, this.#pauseMs);
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    }
  }

  /** The kernel keeps the lock; what can be lost is its file. */
  async #leadWhileHeld(lock: KernelLock, lead: (signal: AbortSignal) => Promise<void>, signal: AbortSignal) {
    const lost = new AbortController();
    const done = new AbortController();
    const leading = lead(AbortSignal.any([signal, lost.signal])).finally(() => done.abort());
    const watching = (async () => {
      while (!done.signal.aborted) {
        if (!lock.isHeld()) lost.abort(new ClusterError('Unavailable', `${this.#root}: the lock file was removed`));
        try {
          await this.#clock.sleep(this.#pauseMs, done.signal);
        } catch (error) {
          if (!done.signal.aborted) throw error;
        }
      }
    })();
    await Promise.all([leading, watching]);
  }
}
