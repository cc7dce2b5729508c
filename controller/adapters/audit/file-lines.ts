import { createReadStream } from 'node:fs';
import { isErrno } from '../workspace/errno.ts';

const newline = 0x0a;
/** A byte order mark is a byte like any other, and what is no UTF-8 was not written by us. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export interface FileLine {
  /** Undefined: bytes that are no text. */
  readonly text: string | undefined;
  /** From 1. */
  readonly number: number;
  /** Offset behind it, with its line break. */
  readonly end: number;
  /** False of a last line without a line break. */
  readonly complete: boolean;
}

/** The lines of a file from its beginning; a file that does not exist has none. */
export async function* fileLines(path: string): AsyncIterableIterator<FileLine> {
  let rest: Buffer = Buffer.alloc(0);
  let number = 0;
  let end = 0;
  const line = (bytes: Buffer, complete: boolean): FileLine => {
    end += bytes.length + (complete ? 1 : 0);
    return { text: decode(bytes), number: ++number, end, complete };
  };
  for await (const chunk of chunksOf(path)) {
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let at = bytes.indexOf(newline); at >= 0; at = bytes.indexOf(newline)) {
      yield line(bytes.subarray(0, at), true);
      bytes = bytes.subarray(at + 1);
    }
    rest = bytes;
  }
  if (rest.length > 0) yield line(rest, false);
}

async function* chunksOf(path: string): AsyncIterable<Buffer> {
  try {
    yield* createReadStream(path) as AsyncIterable<Buffer>;
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}

function decode(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
