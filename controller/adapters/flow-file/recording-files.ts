import { access, constants, type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { problem } from '../../model/problem.ts';
import type { Clock } from '../../ports.ts';
import { KernelLock } from '../workspace/kernel-lock.ts';
import { FlowFileError } from './flow-file-error.ts';

export interface RecordingOptions {
  /** Compressed when it ends in `.gz`. Where files are rotated, the time of its beginning stands in each file's name. */
  readonly path: string;
  /** A file that is so large on disk is the last but one. @default never */
  readonly rotateBytes?: number | undefined;
  /** A file is open for so long. @default for ever */
  readonly rotateMs?: number | undefined;
  /** Of the files that are complete, so many stay: the older ones are removed. @default all */
  readonly keep?: number | undefined;
  /** What came in this time may be lost in a crash. @default 5000 */
  readonly flushMs?: number | undefined;
  readonly clock: Clock;
  /** A file is complete. */
  readonly onFile?: (file: RecordedFile) => void;
}

export interface RecordedFile {
  readonly path: string;
  /** On disk. */
  readonly bytes: number;
  readonly lines: number;
}

/** So much text is written at once, and is one member of a compressed file. */
const blockLength = 1024 * 1024;
const compress = promisify(gzip);

interface OpenFile {
  /** What it will be called when it is complete. */
  readonly path: string;
  readonly handle: FileHandle;
  readonly openedMs: number;
  readonly bytes: number;
  readonly lines: number;
}

/**
 * A recording as files of lines. A file is written under a hidden name (a dot before its own) and gets its name when it is
 * complete, so that whoever sees it may read, copy or delete it. At every moment it can be read: what is compressed is a
 * series of gzip members (RFC 1952, 2.2), one for each write. What a crash left under a hidden name gets its name from
 * the next recording to the same path. Rejects with FlowFileError when it cannot write.
 */
export class RecordingFiles {
  readonly #options: RecordingOptions;
  readonly #directory: string;
  readonly #names: FileNames;
  readonly #lock: KernelLock;
  #files: readonly RecordedFile[] = [];
  #open: OpenFile | undefined;
  #text: string[] = [];
  #textLength = 0;
  #bytes = 0;
  #flushedMs: number;
  /** One write after the other. */
  #work: Promise<void> = Promise.resolve();

  private constructor(options: RecordingOptions, lock: KernelLock) {
    this.#options = options;
    this.#directory = dirname(options.path);
    this.#names = fileNames(options.path, isRotating(options));
    this.#lock = lock;
    this.#flushedMs = options.clock.now();
  }

  /** Makes the directory, completes what a crash left, and makes sure that nothing is written over. */
  static async open(options: RecordingOptions): Promise<RecordingFiles> {
    const { path } = options;
    return attempt(path, async () => {
      const directory = dirname(path);
      await mkdir(directory, { recursive: true });
      await access(directory, constants.W_OK);
      const lock = KernelLock.tryTake(lockOf(path));
      if (lock === undefined) throw unwritable(path, 'another nanoseg record writes there');
      const recording = new RecordingFiles(options, lock);
      try {
        await recording.#completeLeftOver();
        if (!isRotating(options) && (await exists(path))) {
          throw unwritable(path, 'the file exists, and a recording is never written over; name another one');
        }
        await recording.#removeOld();
      } catch (error) {
        lock[Symbol.dispose]();
        throw error;
      }
      return recording;
    });
  }

  /** Complete files that are still there, in the order of their writing. */
  get files(): readonly RecordedFile[] {
    return this.#files;
  }

  /** Written so far. */
  get bytes(): number {
    return this.#bytes;
  }

  async write(lines: readonly string[]): Promise<void> {
    for (const line of lines) {
      this.#text.push(line);
      this.#textLength += line.length + 1;
    }
    if (this.#textLength >= blockLength) await this.#inTurn(() => this.#flush());
  }

  async tick(): Promise<void> {
    const { clock, flushMs = 5_000, rotateMs = Number.POSITIVE_INFINITY } = this.#options;
    const now = clock.now();
    if (now - this.#flushedMs < flushMs && now - (this.#open?.openedMs ?? now) < rotateMs) return;
    await this.#inTurn(async () => {
      this.#flushedMs = now;
      await this.#flush();
      await this.#open?.handle.datasync();
      if (this.#open !== undefined && now - this.#open.openedMs >= rotateMs) await this.#complete();
    });
  }

  /** Writes the rest; what was written is complete then. */
  async close(): Promise<void> {
    try {
      await this.#inTurn(async () => {
        await this.#flush();
        await this.#complete();
      });
    } finally {
      await this.#open?.handle.close();
      await rm(lockOf(this.#options.path), { force: true });
      this.#lock[Symbol.dispose]();
    }
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const next = this.#work.then(() => attempt(this.#open?.path ?? this.#options.path, work));
    this.#work = next.catch(() => undefined);
    return next;
  }

  async #flush(): Promise<void> {
    if (this.#text.length === 0) return;
    const lines = this.#text;
    this.#text = [];
    this.#textLength = 0;
    const text = Buffer.from(`${lines.join('\n')}\n`);
    const data = this.#options.path.endsWith('.gz') ? await compress(text) : text;
    const file = (this.#open ??= await this.#create());
    try {
      await file.handle.appendFile(data);
    } catch (error) {
      // half of a member would be the end of all that comes after it
      await file.handle.truncate(file.bytes);
      throw error;
    }
    this.#open = { ...file, bytes: file.bytes + data.length, lines: file.lines + lines.length };
    this.#bytes += data.length;
    const { rotateBytes = Number.POSITIVE_INFINITY } = this.#options;
    if (this.#open.bytes >= rotateBytes) await this.#complete();
  }

  /** The next file, under its hidden name. */
  async #create(): Promise<OpenFile> {
    const openedMs = this.#options.clock.now();
    for (let timeMs = openedMs; ; timeMs++) {
      const path = join(this.#directory, this.#names.at(timeMs));
      if (isRotating(this.#options) && (await exists(path))) continue;
      return { path, handle: await open(hidden(path), 'wx'), openedMs, bytes: 0, lines: 0 };
    }
  }

  async #complete(): Promise<void> {
    const file = this.#open;
    if (file === undefined) return;
    const { path, handle, bytes, lines } = file;
    await handle.datasync();
    await handle.close();
    this.#open = undefined;
    await rename(hidden(path), path);
    this.#files = [...this.#files, { path, bytes, lines }];
    this.#options.onFile?.({ path, bytes, lines });
    await this.#removeOld();
  }

  async #completeLeftOver(): Promise<void> {
    for (const name of await readdir(this.#directory)) {
      if (!name.startsWith('.') || !this.#names.isOwn(name.slice(1))) continue;
      const path = join(this.#directory, name.slice(1));
      if (!(await exists(path))) await rename(hidden(path), path);
    }
  }

  async #removeOld(): Promise<void> {
    const { keep } = this.#options;
    if (keep === undefined || !isRotating(this.#options)) return;
    const complete = (await readdir(this.#directory)).filter((name) => this.#names.isOwn(name)).sort();
    const old = complete.slice(0, -keep).map((name) => join(this.#directory, name));
    for (const path of old) await rm(path, { force: true });
    this.#files = this.#files.filter(({ path }) => !old.includes(path));
  }
}

function isRotating({ rotateBytes, rotateMs }: RecordingOptions): boolean {
  return rotateBytes !== undefined || rotateMs !== undefined;
}

interface FileNames {
  /** Of a file that begins at that time. */
  at(timeMs: number): string;
  isOwn(name: string): boolean;
}

/** `flows.jsonl.gz` itself, or `flows-20260131T101500.000Z.jsonl.gz`: the order of the names is that of the files. */
function fileNames(path: string, rotating: boolean): FileNames {
  const name = basename(path);
  if (!rotating) return { at: () => name, isOwn: (other) => other === name };
  const extension = /(?:\.jsonl|\.ndjson|\.json|\.log)?(?:\.gz)?$/.exec(name)?.[0] ?? '';
  const stem = name.slice(0, name.length - extension.length);
  return {
    at: (timeMs) => `${stem}-${new Date(timeMs).toISOString().replaceAll(/[-:]/g, '')}${extension}`,
    isOwn: (other) =>
      other.startsWith(`${stem}-`) &&
      other.endsWith(extension) &&
      /^\d{8}T\d{6}\.\d{3}Z$/.test(other.slice(stem.length + 1, other.length - extension.length)),
  };
}

function hidden(path: string): string {
  return join(dirname(path), `.${basename(path)}`);
}

function lockOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.lock`);
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

async function attempt<Value>(path: string, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Error && 'code' in error) throw unwritable(path, error.message, error);
    throw error;
  }
}

function unwritable(path: string, message: string, cause?: Error): FlowFileError {
  return new FlowFileError(problem('OutputUnwritable', message, path), { cause });
}
