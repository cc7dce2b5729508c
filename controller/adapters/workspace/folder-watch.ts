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

  /** Everything under these folders. */
  watch(folders: readonly string[]): void {
    for (const folder of folders) this.#watchOne(folder, true, this.#onChange);
  }

  /** Only that one of these comes or goes in a folder, whatever else happens there. */
  watchNames(folder: string, names: ReadonlySet<string>): void {
    this.#watchOne(folder, false, (name) => {
      if (name === null || names.has(name)) this.#onChange();
    });
  }

  [Symbol.dispose](): void {
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #watchOne(folder: string, recursive: boolean, changed: (name: string | null) => void): void {
    if (this.#watchers.has(folder)) return;
    try {
      const watcher = watch(folder, { recursive }, (_, name) => changed(name));
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
