import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../../ports.ts';

const sqliteBusy = 5;

/**
 * An exclusive lock between processes on one machine, held by the kernel: it ends with the process that holds it, however
 * that ends, so that no lock is ever stale. SQLite is the way from Node to the kernel's file locks; the file stays
 * empty. Process ids in a file would do less: containers that share a directory do not share them.
 */
export class KernelLock implements Disposable {
  readonly #path: string;
  readonly #file: string;
  readonly #database: DatabaseSync;

  private constructor(path: string, file: string, database: DatabaseSync) {
    this.#path = path;
    this.#file = file;
    this.#database = database;
  }

  /** The lock, or undefined while somebody else holds it. */
  static tryTake(path: string): KernelLock | undefined {
    mkdirSync(dirname(path), { recursive: true });
    const database = new DatabaseSync(path, { timeout: 0 });
    try {
      const before = fileId(path);
      database.exec('BEGIN EXCLUSIVE');
      // somebody may have removed the file in between: then this is a lock on a file that nobody else will find
      if (before !== undefined && before === fileId(path)) return new KernelLock(path, before, database);
    } catch (error) {
      if (!isBusy(error)) {
        database.close();
        throw error;
      }
    }
    database.close();
    return undefined;
  }

  /** Waits its turn; rejects with the signal's reason when it aborts first. */
  static async take(path: string, clock: Clock, signal: AbortSignal, pauseMs: number): Promise<KernelLock> {
    for (;;) {
      signal.throwIfAborted();
      const lock = KernelLock.tryTake(path);
      if (lock !== undefined) return lock;
      await clock.sleep(pauseMs, signal);
    }
  }

  /** False once the file was removed or replaced, so that another process could take a lock of the same name. */
  isHeld(): boolean {
    return this.#database.isOpen && fileId(this.#path) === this.#file;
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === sqliteBusy;
}

function fileId(path: string): string | undefined {
  const status = statSync(path, { bigint: true, throwIfNoEntry: false });
  return status && `${status.dev}:${status.ino}`;
}
