import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable, type Transform } from 'node:stream';
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
 * Opens a file, or standard input for `-`, as its decompressed bytes; gzip and zstd are told by their first bytes. `count`
 * is called with the bytes read from disk. Throws FlowFileError with the code InputNotFound.
 */
export async function fileBytes(path: string, count: (bytes: number) => void, signal: AbortSignal): Promise<FileBytes> {
  if (path === '-') {
    return { chunks: decompressed(process.stdin, count, signal), totalBytes: undefined, modifiedMs: undefined };
  }
  const found = await stat(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  if (found.isDirectory()) throw unreadable(path, new Error('it is a directory'));
  const stream = createReadStream(path, { highWaterMark: chunkBytes });
  await new Promise<void>((resolve, reject) => {
    stream.once('open', () => resolve());
    stream.once('error', (error) => reject(unreadable(path, error)));
  });
  return { chunks: decompressed(stream, count, signal), totalBytes: found.size, modifiedMs: found.mtimeMs };
}

function unreadable(path: string, error: unknown): FlowFileError {
  const reason = error instanceof Error ? error.message : String(error);
  return new FlowFileError(problem('InputNotFound', `cannot read the flow file: ${reason}`, path), { cause: error });
}

async function* decompressed(
  stream: Readable,
  count: (bytes: number) => void,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const source = counted(stream, count)[Symbol.asyncIterator]();
  const head = await firstBytes(source);
  const bytes = prepended(head, source);
  const decompressor = decompressorFor(head);
  if (decompressor === undefined) {
    yield* bytes;
    return;
  }
  // What fails at either end also ends the decompressor, and surfaces in the loop below.
  void pipeline(Readable.from(bytes, { objectMode: false }), decompressor, { signal }).catch(() => undefined);
  try {
    for await (const chunk of decompressor) yield chunk as Buffer;
  } catch (error) {
    signal.throwIfAborted();
    throw new DamagedFile(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

async function* counted(stream: Readable, count: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const chunk of stream) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Buffer);
    count(bytes.length);
    yield bytes;
  }
}

const magicBytes = 4;

/** At least four bytes, unless the file has fewer. */
async function firstBytes(source: AsyncIterator<Buffer>): Promise<Buffer> {
  let head: Buffer = Buffer.alloc(0);
  while (head.length < magicBytes) {
    const next = await source.next();
    if (next.done) break;
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
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

/** Gzip begins with 1f 8b (RFC 1952), Zstandard with 28 b5 2f fd (RFC 8878). */
function decompressorFor(head: Buffer): Transform | undefined {
  if (head.length >= 2 && head.readUInt16BE(0) === 0x1f8b) return createGunzip({ chunkSize: chunkBytes });
  if (head.length >= 4 && head.readUInt32BE(0) === 0x28b52ffd) return createZstdDecompress({ chunkSize: chunkBytes });
  return undefined;
}
