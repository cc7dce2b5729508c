import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { z } from 'zod';
import { flowFileFormats } from './flow-file-format.ts';
import type { SourcePosition } from '../../ports.ts';

/** So many bytes at the beginning tell a file from the next one that gets its inode. */
export const headBytes = 1024;

const count = z.int().min(0);
const positionSchema = z.strictObject({
  inode: z.string(),
  /** SHA-256 over the first bytes, at most as many as were read. */
  head: z.strictObject({ bytes: count, hash: z.string() }),
  format: z.enum(flowFileFormats).optional(),
  /** Everything before it was read: bytes of the file, and lines. In a compressed file only lines count. */
  offset: count,
  line: count,
  /** Where to begin to read again, without counting, so that what follows is understood as it was. */
  replay: z.strictObject({ offset: count, line: count }).optional(),
  /** Of a compressed file: all of it was read. */
  finished: z.boolean().optional(),
});

/** How far a file was read. */
export type FilePosition = z.infer<typeof positionSchema>;

export function encodePosition(position: FilePosition): SourcePosition {
  return JSON.stringify(position);
}

/** Undefined where the text is no position of ours: then the file is read from its beginning. */
export function decodePosition(text: SourcePosition): FilePosition | undefined {
  try {
    return positionSchema.safeParse(JSON.parse(text)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The fingerprint of the first bytes of a file, of no more than `offset` bytes. */
export async function headOf(handle: FileHandle, offset: number): Promise<FilePosition['head']> {
  const bytes = Math.min(offset, headBytes);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(bytes), 0, bytes, 0);
  return { bytes, hash: createHash('sha256').update(buffer.subarray(0, bytesRead)).digest('hex') };
}

/** Whether a file of this inode is the one that was read so far, and still holds what was read. */
export async function isSameFile(handle: FileHandle, position: FilePosition): Promise<boolean> {
  const { ino, size } = await handle.stat();
  if (String(ino) !== position.inode || size < position.offset) return false;
  const { hash } = await headOf(handle, position.head.bytes);
  return hash === position.head.hash;
}
