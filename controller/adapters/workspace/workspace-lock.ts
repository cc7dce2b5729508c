import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ClusterError } from '../../model/cluster-error.ts';
import type { Clock } from '../../ports.ts';
import { isErrno } from './errno.ts';
import { KernelLock } from './kernel-lock.ts';
import { workspacePaths } from './workspace-paths.ts';

/** A write takes milliseconds; whoever holds the lock for longer hangs. */
const patienceMs = 10_000;
const pauseMs = 5;

/** One writer at a time in a workspace, among the processes of a machine and among the calls of one process. */
export class WorkspaceLock {
  readonly #root: string;
  readonly #clock: Clock;
  readonly #name: string;
  #last: Promise<unknown> = Promise.resolve();

  /** Locks of different names do not wait for each other. */
  constructor(root: string, clock: Clock, name = 'write.lock') {
    this.#root = root;
    this.#clock = clock;
    this.#name = name;
  }

  /** Runs `act` when its turn has come. Rejects with ClusterError when the workspace cannot be written. */
  hold<Value>(act: () => Promise<Value>): Promise<Value> {
    const turn = this.#last.then(async () => {
      try {
        const folder = await volatileFolder(this.#root);
        const signal = AbortSignal.timeout(patienceMs);
        using _ = await KernelLock.take(join(folder, this.#name), this.#clock, signal, pauseMs);
        return await act();
      } catch (error) {
        throw errorOfFiles(this.#root, error);
      }
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

/** Makes DIR/.nanoseg, which keeps itself out of Git. */
export async function volatileFolder(root: string): Promise<string> {
  const folder = workspacePaths(root).volatile;
  await stat(root);
  await mkdir(folder, { recursive: true });
  try {
    await writeFile(join(folder, '.gitignore'), '*\n', { flag: 'wx' });
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
  }
  return folder;
}

/** What a failed access to a file means for the request; what is no such failure is returned as it is. */
function errorOfFiles(root: string, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof ClusterError) return error;
  if (error.name === 'TimeoutError') {
    return new ClusterError(
      'Unavailable',
      `${root}: another process has been writing for ${patienceMs / 1000} seconds`,
    );
  }
  if (isErrno(error, 'EACCES', 'EPERM', 'EROFS')) {
    return new ClusterError('Forbidden', `you may not write there: ${error.message}`, { cause: error });
  }
  const code = 'code' in error ? String(error.code) : '';
  if (/^E[A-Z0-9]+$/.test(code) || code === 'ERR_SQLITE_ERROR') {
    return new ClusterError('Unavailable', `${root}: ${error.message}`, { cause: error });
  }
  return error;
}
