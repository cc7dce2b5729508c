import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { followFlowFile } from '../adapters/flow-file/follow-flow-file.ts';
import type { LiveIngest } from './live-ingest.ts';
import type { Clock, FlowSource, SourcePosition } from '../ports.ts';

/** What lies beside recordings in a directory and is none: hidden files, notes. */
const besides = /^\.|^(?:readme|licen[cs]e|origin)\b|\.md$/i;
const rescanMs = 2_000;

export interface FlowFilesOptions {
  /** Files, and directories of them in which more may appear. */
  readonly paths: readonly string[];
  readonly positions: ReadonlyMap<string, SourcePosition>;
  readonly ingest: LiveIngest;
  readonly clock: Clock;
}

/** Follows files of flows, and those that appear in directories, until aborted. */
export class FlowFiles {
  readonly #options: FlowFilesOptions;
  readonly #sources = new Map<string, FlowSource>();
  #scanned = false;

  constructor(options: FlowFilesOptions) {
    this.#options = options;
  }

  /** Rejects only for bugs. */
  async run(signal: AbortSignal): Promise<void> {
    const { ingest, clock } = this.#options;
    const running = new Set<Promise<void>>();
    while (!signal.aborted) {
      const fresh = await this.#newSources();
      if (fresh.length > 0) {
        const run: Promise<void> = ingest.run(fresh, signal).finally(() => running.delete(run));
        running.add(run);
      }
      this.#scanned = true;
      await Promise.race([clock.sleep(rescanMs, signal).catch(() => undefined), ...failuresOf(running)]);
    }
    await Promise.all(running);
  }

  /** Whether all that is in the files now was read; a source that cannot be read has nothing more to say. */
  get caughtUp(): boolean {
    if (!this.#scanned) return false;
    const states = new Map(this.#options.ingest.health.map(({ name, state }) => [name, state]));
    return [...this.#sources.values()].every((source) => {
      const state = states.get(source.name);
      if (state === 'ended' || state === 'failed') return true;
      const { doneBytes, totalBytes } = source.progress();
      return totalBytes !== undefined && doneBytes >= totalBytes;
    });
  }

  async #newSources(): Promise<FlowSource[]> {
    const { paths, positions } = this.#options;
    const files = (await Promise.all(paths.map(filesAt))).flat();
    return files
      .filter((file) => !this.#sources.has(file))
      .map((file) => {
        const source = followFlowFile(file, { position: positions.get(file) });
        this.#sources.set(file, source);
        return source;
      });
  }
}

/** A path that is no directory is a file, there or not yet. */
async function filesAt(path: string): Promise<string[]> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory()) return [path];
  const entries = await readdir(path, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile() && !besides.test(entry.name)).map(({ name }) => name);
  return names
    .filter((name) => !isRotated(name, names))
    .map((name) => join(path, name))
    .sort();
}

/** `flows.jsonl.1`, `flows.jsonl-20260131.gz` beside `flows.jsonl`: it was read while it had the name of the file that grows. */
function isRotated(name: string, names: readonly string[]): boolean {
  return names.some((other) => name !== other && /^[.-]\d/.test(name.slice(other.length)) && name.startsWith(other));
}

/** Promises that only ever reject, so that a race sees a failure and not an end. */
function failuresOf(running: ReadonlySet<Promise<void>>): Promise<never>[] {
  return [...running].map((run) => run.then(() => new Promise<never>(() => undefined)));
}
