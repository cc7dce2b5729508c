import type { IncomingMessage } from 'node:http';
import { createGunzip, type Gunzip } from 'node:zlib';
import type { PushLimits } from './push-limits.ts';
import { PushRefusal } from './push-refusal.ts';

const chunkBytes = 64 * 1024;

/**
 * The body without its compression, piece by piece, so that what is too large is never in memory. `grow` is told of each
 * piece before it is given out. Throws PushRefusal.
 */
export async function* pushedBytes(
  request: IncomingMessage,
  limits: Pick<PushLimits, 'bodyBytes' | 'decodedBytes'>,
  grow: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  const raw = withinLimit(piecesOf(request), limits.bodyBytes, 'as sent');
  const isGzip = request.headers['content-encoding'] === 'gzip';
  for await (const piece of withinLimit(isGzip ? gunzipped(raw) : raw, limits.decodedBytes, 'without compression')) {
    grow(piece.length);
    yield piece;
  }
}

/** What is left unread is the caller's business: the connection may go on. */
function piecesOf(request: IncomingMessage): AsyncIterable<Buffer> {
  return request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
}

async function* withinLimit(pieces: AsyncIterable<Buffer>, most: number, how: string): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    if (bytes > most)
      throw new PushRefusal('TooLarge', `the body is larger than ${most} bytes ${how}: send smaller batches`);
    yield piece;
  }
}

async function* gunzipped(raw: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: chunkBytes });
  void feed(raw, gunzip);
  try {
    for await (const piece of gunzip) yield piece as Buffer;
  } catch (error) {
    if (!isZlib(error)) throw error;
    throw new PushRefusal('Malformed', `the body is no gzip, or ends early: ${error.message}`);
  } finally {
    gunzip.destroy();
  }
}

/** Reads on when nobody wants the rest any more, so that the sender comes to reading the answer. */
async function feed(raw: AsyncIterable<Buffer>, gunzip: Gunzip): Promise<void> {
  try {
    for await (const piece of raw) await written(gunzip, piece);
    gunzip.end();
  } catch (error) {
    gunzip.destroy(error as Error);
  }
}

function written(gunzip: Gunzip, piece: Buffer): Promise<void> {
  return new Promise((resolve) => {
    if (gunzip.destroyed) resolve();
    // what is wrong with it is heard of where it is read
    else gunzip.write(piece, () => resolve());
  });
}

function isZlib(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('Z_');
}
