import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { FlowFileFormat } from './flow-file-format.ts';
import type { FlowBatch, FlowSource, SourcePosition } from '../../ports.ts';
import { DamagedFile, decompressedBytes, isCompressed, magicBytes, unreadable } from './file-bytes.ts';
import { FileChanges } from './file-changes.ts';
import { decodePosition, encodePosition, type FilePosition, headBytes, headOf, isSameFile } from './file-position.ts';
import { defaultFlowLimits, type FlowLimits } from './flow-limits.ts';
import { FlowRecords } from './flow-records.ts';
import { ReplayPoints } from './replay-points.ts';
import { textBlocks } from './text-blocks.ts';

export interface FollowOptions {
  /** @default told by the first records that belong to exactly one format */
  readonly format?: FlowFileFormat;
  /** Where an earlier reading of the file stopped. @default its beginning */
  readonly position?: SourcePosition | undefined;
  /** How often to look for more where the system does not say that there is. @default 1000 */
  readonly pollMs?: number;
  readonly limits?: Partial<FlowLimits>;
}

const chunkBytes = 256 * 1024;

/**
 * A file of flows that grows: what is there is read, then what is appended, until aborted. A file that is rotated away is
 * read to its end before the new one; one that was cut off or written anew is read from its beginning. Compressed files
 * are read once. Every batch has a position, from which another reading goes on with nothing lost or repeated; asking for
 * batches again goes on after the last one. Throws FlowFileError like `openFlowFile`, and nothing when aborted.
 */
export function followFlowFile(path: string, options: FollowOptions = {}): FlowSource {
  let position = options.position === undefined ? undefined : decodePosition(options.position);
  const progress = { doneBytes: 0, totalBytes: undefined as number | undefined };
  return {
    name: path,
    progress: () => ({ ...progress }),
    async *batches(signal) {
      if (signal.aborted) return;
      const changes = new FileChanges(path, options.pollMs ?? 1000, signal);
      const limits = { ...defaultFlowLimits, ...options.limits };
      const following: Following = { path, format: options.format, limits, signal, changes, progress };
      try {
        let start = await startOf(path, position);
        while (start !== undefined) {
          try {
            for await (const batch of batchesOf(following, start)) {
              position = batch.position;
              yield { ...batch, position: encodePosition(position) };
            }
          } finally {
            await start.handle.close();
          }
          if (position?.finished === true) return;
          start = { path, handle: await opened(path) };
        }
      } catch (error) {
        if (!signal.aborted) throw error;
      } finally {
        changes.close();
      }
    },
  };
}

interface Following {
  readonly path: string;
  readonly format: FlowFileFormat | undefined;
  readonly limits: FlowLimits;
  readonly signal: AbortSignal;
  readonly changes: FileChanges;
  readonly progress: { doneBytes: number; totalBytes: number | undefined };
}

/** Which file to read and from where; the file is open, as another one may have its name in the next moment. */
interface Start {
  readonly path: string;
  readonly handle: FileHandle;
  /** Of this very file. */
  readonly position?: FilePosition;
  /** It has another name by now and does not grow. */
  readonly rotated?: true;
}

type FileBatch = Omit<FlowBatch, 'position'> & { readonly position: FilePosition };

/** Undefined: there is nothing more to read. */
async function startOf(path: string, position: FilePosition | undefined): Promise<Start | undefined> {
  if (position === undefined) return { path, handle: await opened(path) };
  const same = await openedAt(path, position);
  if (same !== undefined && position.finished !== true) return { path, handle: same, position };
  await same?.close();
  if (same !== undefined) return undefined;
  const directory = dirname(path);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.startsWith(basename(path))) continue;
    const rotated = join(directory, entry.name);
    const handle = await openedAt(rotated, position);
    if (handle !== undefined) return { path: rotated, handle, position, rotated: true };
  }
  return { path, handle: await opened(path) };
}

/** The file, open, if it is the one that the position is of. */
async function openedAt(path: string, position: FilePosition): Promise<FileHandle | undefined> {
  const handle = await opened(path);
  let same = false;
  try {
    same = await isSameFile(handle, position);
  } finally {
    if (!same) await handle.close();
  }
  return same ? handle : undefined;
}

async function opened(path: string): Promise<FileHandle> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path);
    if (!(await handle.stat()).isFile()) throw new Error('it is no file');
    return handle;
  } catch (error) {
    await handle?.close();
    throw unreadable(path, error);
  }
}

async function* batchesOf(following: Following, start: Start): AsyncGenerator<FileBatch> {
  const { path, handle, rotated } = start;
  for (;;) {
    const { size } = await handle.stat();
    if (rotated === true || size >= magicBytes) break;
    Object.assign(following.progress, { doneBytes: size, totalBytes: size });
    await following.changes.next();
    if (await isReplaced(path, handle)) return;
  }
  yield* (await isCompressed(handle)) ? compressedBatches(following, start) : growingBatches(following, start);
}

async function* growingBatches(
  { path, format, limits, signal, changes, progress }: Following,
  { handle, position, rotated }: Start,
): AsyncGenerator<FileBatch> {
  const { ino, mtimeMs } = await handle.stat();
  const { offset = 0, line = 0 } = position?.replay ?? position ?? {};
  const resumed = { line, countedLine: position?.line ?? -1 };
  const records = new FlowRecords(path, format ?? position?.format, Math.floor(mtimeMs), limits, resumed);
  const points = new ReplayPoints();
  const onLook = (doneBytes: number, totalBytes: number, modifiedMs: number) => {
    Object.assign(progress, { doneBytes, totalBytes });
    records.arriveAt(Math.floor(modifiedMs));
  };
  let at = { offset, line };
  let head: FilePosition['head'] | undefined;
  const chunks = appended(handle, offset, { path, signal, changes, rotated: rotated === true, onLook });
  for await (const block of textBlocks(chunks, limits.lineBytes)) {
    signal.throwIfAborted();
    points.pass(at);
    records.read(block);
    at = { offset: at.offset + block.bytes, line: records.line };
    const replay = points.pointFor(records, at.offset);
    const batch = records.takeBatch();
    if (batch.records === 0) continue;
    if (head === undefined || head.bytes < headBytes) head = await headOf(handle, at.offset);
    yield {
      ...batch,
      position: {
        inode: String(ino),
        head,
        ...(records.format !== undefined && { format: records.format }),
        ...at,
        ...(replay !== undefined && { replay }),
      },
    };
  }
}

interface Appending {
  readonly path: string;
  readonly signal: AbortSignal;
  readonly changes: FileChanges;
  readonly rotated: boolean;
  /** Called before more is read, when everything before was taken. */
  readonly onLook: (doneBytes: number, totalBytes: number, modifiedMs: number) => void;
}

/**
 * The bytes of an open file from an offset on, waiting for more at its end; ends when the file has another name, was cut
 * off or written anew. A chunk is valid until the next one is asked for.
 */
async function* appended(
  handle: FileHandle,
  from: number,
  { path, signal, changes, rotated, onLook }: Appending,
): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(chunkBytes);
  let offset = from;
  let head = await headOf(handle, offset);
  // whoever writes may do so for a moment after the file got another name
  let looks = rotated ? 0 : Number.POSITIVE_INFINITY;
  for (;;) {
    signal.throwIfAborted();
    const { size, mtimeMs } = await handle.stat();
    if (size < offset) return;
    onLook(offset, size, mtimeMs);
    if (size > offset) {
      if ((await headOf(handle, head.bytes)).hash !== head.hash) return;
      const { bytesRead } = await handle.read(buffer, 0, chunkBytes, offset);
      offset += bytesRead;
      if (head.bytes < headBytes) head = await headOf(handle, offset);
      if (bytesRead > 0) yield buffer.subarray(0, bytesRead);
      continue;
    }
    if (looks-- <= 0) return;
    await changes.next();
    if (await isReplaced(path, handle)) looks = Math.min(looks, 1);
  }
}

/** Whether another file has the name by now; while none has, the old one may still grow. */
async function isReplaced(path: string, handle: FileHandle): Promise<boolean> {
  try {
    return (await stat(path)).ino !== (await handle.stat()).ino;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw unreadable(path, error);
  }
}

async function* compressedBatches(
  { format, limits, signal, progress }: Following,
  { path, handle, position }: Start,
): AsyncGenerator<FileBatch> {
  const { ino, size, mtimeMs } = await handle.stat();
  const head = await headOf(handle, size);
  Object.assign(progress, { doneBytes: 0, totalBytes: size });
  // the bytes of a file are read long before all that they hold was taken: it is done after its last batch
  const onBytes = (bytes: number) => (progress.doneBytes = Math.min(progress.doneBytes + bytes, size - 1));
  const chunks = decompressedBytes(handle, onBytes, signal);
  const resumed = { line: 0, countedLine: position?.line ?? -1 };
  const records = new FlowRecords(path, format, Math.floor(mtimeMs), limits, resumed);
  const reached = (): FilePosition => ({ inode: String(ino), head, offset: 0, line: records.line });
  try {
    for await (const block of textBlocks(chunks, limits.lineBytes)) {
      signal.throwIfAborted();
      records.read(block);
      const batch = records.takeBatch();
      if (batch.records > 0) yield { ...batch, position: reached() };
    }
  } catch (error) {
    if (!(error instanceof DamagedFile)) throw error;
    records.reject(`the compressed data is damaged or ends early: ${error.message}`);
  }
  records.finish();
  yield { ...records.takeBatch(), position: { ...reached(), finished: true } };
  progress.doneBytes = size;
  if (position === undefined) records.throwIfUnusable();
}
