import { type FileHandle, open } from 'node:fs/promises';
import { addAbortSignal, type Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { problem } from '../../model/problem.ts';
import { FlowFileError } from './flow-file-error.ts';

/** Big enough that the cost per chunk vanishes, small enough that a decoded chunk stays in the cache. */
const chunkBytes = 256 * 1024;

export interface FileBytes {
  readonly chunks: AsyncIterable<Buffer>;
  /** Bytes on disk; undefined for standard input. */
  readonly totalBytes: number | undefined;
  /** When the file was last written; undefined for standard input. */
  readonly modifiedMs: number | undefined;
}

/** Thrown while reading when compressed data is damaged or ends too early. */
export class DamagedFile extends Error {}

/**
 * Opens a file, or standard input for `-`, as its decompressed bytes; gzip and zstd are told by their first bytes. A chunk
 * is valid until the next one is asked for. `count` is called with the bytes read from disk. Throws FlowFileError with the
 * code InputNotFound.
 */
export async function fileBytes(path: string, count: (bytes: number) => void, signal: AbortSignal): Promise<FileBytes> {
  if (path === '-') {
    return {
      chunks: decompressed(streamed(process.stdin, count, signal), signal),
      totalBytes: undefined,
      modifiedMs: undefined,
    };
  }
  let handle: FileHandle | undefined;
  try {
    handle = await open(path);
    const found = await handle.stat();
    if (found.isDirectory()) throw new Error('it is a directory');
    const { size, mtimeMs } = found;
    // Pipes have no size and no position to read from.
    if (!found.isFile()) {
      const stream = streamed(handle.createReadStream({ highWaterMark: chunkBytes }), count, signal);
      return { chunks: decompressed(stream, signal), totalBytes: undefined, modifiedMs: undefined };
    }
    return { chunks: decompressedBytes(handle, count, signal), totalBytes: size, modifiedMs: mtimeMs };
  } catch (error) {
    await handle?.close();
    throw unreadable(path, error);
  }
}

/** The bytes of an open file, which is closed at the end; otherwise as `fileBytes`. */
export function decompressedBytes(
  handle: FileHandle,
  count: (bytes: number) => void,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  return decompressed(readAhead(handle, count), signal);
}

export function unreadable(path: string, error: unknown): FlowFileError {
  const reason = error instanceof Error ? error.message : String(error);
  return new FlowFileError(problem('InputNotFound', `cannot read the flow file: ${reason}`, path), { cause: error });
}

async function* decompressed(raw: AsyncGenerator<Buffer>, signal: AbortSignal): AsyncGenerator<Buffer> {
  const head = await firstBytes(raw);
  const bytes = prepended(head, raw);
  const decompressor = decompressorFor(head);
  if (decompressor === undefined) {
    yield* bytes;
    return;
  }
  // What fails at either end also ends the decompressor, and surfaces in the loop below.
  void pipeline(copied(bytes), decompressor, { signal }).catch(() => undefined);
  try {
    for await (const chunk of decompressor) yield chunk as Buffer;
  } catch (error) {
    signal.throwIfAborted();
    throw new DamagedFile(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** A stream may wait for ever, so the signal has to end the waiting too. */
async function* streamed(
  stream: Readable,
  count: (bytes: number) => void,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  for await (const chunk of addAbortSignal(signal, stream)) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Buffer);
    count(bytes.length);
    yield bytes;
  }
}

/** Reads the next chunk while the one before is worked on, into two buffers in turn. */
async function* readAhead(handle: FileHandle, count: (bytes: number) => void): AsyncGenerator<Buffer> {
  let [front, back] = [Buffer.allocUnsafeSlow(chunkBytes), Buffer.allocUnsafeSlow(chunkBytes)];
  let reading = handle.read(front, 0, chunkBytes);
  try {
    for (let read = await reading; read.bytesRead > 0; read = await reading) {
      [front, back] = [back, front];
      reading = handle.read(front, 0, chunkBytes);
      count(read.bytesRead);
      yield back.subarray(0, read.bytesRead);
    }
  } finally {
    await reading.catch(() => undefined);
    await handle.close();
  }
}

/** A decompressor may still hold a chunk when the next one is read over it. */
async function* copied(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) yield Buffer.from(chunk);
}

/** Enough to tell how a file is compressed. */
export const magicBytes = 4;

/** At least four bytes, unless the file has fewer. */
async function firstBytes(source: AsyncIterator<Buffer>): Promise<Buffer> {
  let head: Buffer = Buffer.alloc(0);
  while (head.length < magicBytes) {
    const next = await source.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
  }
  return head;
}

async function* prepended(head: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  try {
    if (head.length > 0) yield head;
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

/** Whether the file is compressed in one of the ways that are read. */
export async function isCompressed(handle: FileHandle): Promise<boolean> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(magicBytes), 0, magicBytes, 0);
  return compressionOf(buffer.subarray(0, bytesRead)) !== undefined;
}

function decompressorFor(head: Buffer): Transform | undefined {
  switch (compressionOf(head)) {
    case 'gzip':
      return createGunzip({ chunkSize: chunkBytes });
    case 'zstd':
      return createZstdDecompress({ chunkSize: chunkBytes });
    case undefined:
      return undefined;
  }
}

/** Gzip begins with 1f 8b (RFC 1952), Zstandard with 28 b5 2f fd (RFC 8878). */
function compressionOf(head: Buffer): 'gzip' | 'zstd' | undefined {
  if (head.length >= 2 && head.readUInt16BE(0) === 0x1f8b) return 'gzip';
  return head.length >= magicBytes && head.readUInt32BE(0) === 0x28b52ffd ? 'zstd' : undefined;
}
