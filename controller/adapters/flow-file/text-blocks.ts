import { isUtf8 } from 'node:buffer';

/** Whole lines of a file, decoded at once because that is many times faster than line by line. */
export interface TextBlock {
  /** Lines without their last newline. */
  readonly text: string;
  /** False when some bytes were no UTF-8; each such place is a U+FFFD in the text. */
  readonly isUtf8: boolean;
  /** The text stands for one line whose bytes were over the limit, and is empty. */
  readonly tooLong: boolean;
  /** What it took of the stream, with its last newline. */
  readonly bytes: number;
}

const newline = 10;

/**
 * Cuts a stream of bytes into blocks of whole lines, holding at most `limitBytes` of an unfinished line in memory. A chunk
 * is not used any more once the next one is asked for.
 */
export async function* textBlocks(chunks: AsyncIterable<Buffer>, limitBytes: number): AsyncGenerator<TextBlock> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  let discarding = false;
  for await (const chunk of chunks) {
    const first = chunk.indexOf(newline);
    if (first < 0) {
      restBytes += chunk.length;
      if (restBytes > limitBytes) discarding = true;
      if (discarding) rest = [];
      else rest.push(Buffer.from(chunk));
      continue;
    }
    const last = chunk.lastIndexOf(newline);
    const firstBytes = restBytes + first + 1;
    const isOverLimit = discarding || restBytes + first > limitBytes;
    if (isOverLimit) {
      yield { text: '', isUtf8: true, tooLong: true, bytes: firstBytes };
      if (last > first) yield blockOf(chunk.subarray(first + 1, last), last - first);
    } else if (rest.length === 0) yield blockOf(chunk.subarray(0, last), last + 1);
    else {
      // only the line that the chunks cut through is put together, and not the whole chunk copied for it
      yield blockOf(Buffer.concat([...rest, chunk.subarray(0, first)]), firstBytes);
      if (last > first) yield blockOf(chunk.subarray(first + 1, last), last - first);
    }
    const tail = chunk.subarray(last + 1);
    discarding = tail.length > limitBytes;
    rest = discarding || tail.length === 0 ? [] : [Buffer.from(tail)];
    restBytes = tail.length;
  }
  if (discarding) yield { text: '', isUtf8: true, tooLong: true, bytes: restBytes };
  else if (restBytes > 0) yield blockOf(Buffer.concat(rest), restBytes);
}

function blockOf(text: Buffer, bytes: number): TextBlock {
  return { text: text.toString('utf8'), isUtf8: isUtf8(text), tooLong: false, bytes };
}
