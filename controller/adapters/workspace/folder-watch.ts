import { type FSWatcher, watch } from 'node:fs';

/**
 * Tells that something under these folders may have changed: only a hint, because the system may lose events, and folders
 * that do not exist are watched once they do and `watch` is called again.
 */
export class FolderWatch implements Disposable {
  readonly #onChange: () => void;
  readonly #watchers = new Map<string, FSWatcher>();

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  watch(folders: readonly string[]): void {
    for (const folder of folders) if (!this.#watchers.has(folder)) this.#watchOne(folder);
  }

  [Symbol.dispose](): void {
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #watchOne(folder: string): void {
    try {
      const watcher = watch(folder, { recursive: true }, this.#onChange);
      this.#watchers.set(folder, watcher);
      // the folder went, or the system has no more watches: the caller looks by itself now and then
      watcher.on('error', () => {
        watcher.close();
        this.#watchers.delete(folder);
      });
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error)) throw error;
    }
  }
}
