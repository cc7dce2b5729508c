import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';

/** Tells when to look at a file again: when the system says that it changed, and every so often in case it does not. */
export class FileChanges {
  readonly #pollMs: number;
  readonly #signal: AbortSignal;
  readonly #watcher: FSWatcher | undefined;
  #changed = false;
  #wake: (() => void) | undefined;

  constructor(path: string, pollMs: number, signal: AbortSignal) {
    this.#pollMs = pollMs;
    this.#signal = signal;
    const name = basename(path);
    try {
      // the directory, as a file that is rotated is another one under the same name
      this.#watcher = watch(dirname(path), (_event, changed) => {
        if (changed === name) this.#notice();
      });
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch (error) {
      // no directory, or too many watches: the poll finds out
      if (!(error instanceof Error) || !('syscall' in error)) throw error;
    }
  }

  /** Resolves at the next change, or one that came since this was asked last; rejects when aborted. */
  next(): Promise<void> {
    return new Promise((resolve, reject) => {
      const signal = this.#signal;
      const end = (settle: () => void) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        this.#wake = undefined;
        this.#changed = false;
        settle();
      };
      const abort = () => end(() => reject(signal.reason as Error));
      const timer = setTimeout(() => end(resolve), this.#changed ? 0 : this.#pollMs);
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort);
      this.#wake = () => end(resolve);
    });
  }

  close(): void {
    this.#watcher?.close();
  }

  #notice(): void {
    this.#changed = true;
    this.#wake?.();
  }
}
