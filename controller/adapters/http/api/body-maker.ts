import { setImmediate } from 'node:timers/promises';
import { TextRoom } from '../../../view/text-room.ts';
import { compress, type Encoding, LargeBody } from './encodings.ts';
import type { Written } from './route.ts';

/** Smaller bodies are not worth the work. */
const leastCompressed = 1_024;
/** A larger one goes to the compressor in pieces of this size, while the next ones are written. */
const pieceBytes = 1 << 20;
const roomBytes = pieceBytes * 1.5;
const mostRoomBytes = pieceBytes * 8;
/** After working for so long others have their turn. */
const sliceMs = 4;

export interface Body {
  readonly bytes: Buffer;
  /** Undefined where it is as it was written. */
  readonly encoding: Encoding | undefined;
}

/**
 * Makes bodies of texts, one at a time, so that the room that they are written in is used again: as much memory anew for each large one
 * would have the collector go through the whole heap.
 */
export class BodyMaker {
  #room = new TextRoom(roomBytes);
  /** The compressor reads from it while the room is written to. */
  #spare = new Uint8Array(roomBytes);
  #last: Promise<unknown> = Promise.resolve();

  /** In that encoding where the body is large enough for one. */
  make(write: Written, encoding: Encoding | undefined): Promise<Body> {
    const made = this.#last.then(() => this.#made(write, encoding));
    this.#last = made.catch(() => undefined);
    return made;
  }

  async #made(write: Written, encoding: Encoding | undefined): Promise<Body> {
    // what took very much once is not kept for it
    if (this.#room.view.byteLength > mostRoomBytes) this.#room = new TextRoom(roomBytes);
    const room = this.#room;
    const plain: Buffer[] = [];
    let large: LargeBody | undefined;
    room.clear();
    let sinceMs = performance.now();
    for (const _ of write(room)) {
      if (room.length >= pieceBytes && encoding === undefined) {
        plain.push(Buffer.from(room.written));
        room.clear();
      } else if (room.length >= pieceBytes && encoding !== undefined) {
        large ??= new LargeBody(encoding);
        await large.taken();
        const piece = room.exchange(this.#spare);
        this.#spare = new Uint8Array(piece.buffer);
        large.add(piece);
      }
      if (performance.now() < sinceMs + sliceMs) continue;
      await setImmediate();
      sinceMs = performance.now();
    }
    if (large === undefined) return bodyOf(Buffer.concat([...plain, room.written]), encoding);
    await large.taken();
    large.add(room.written);
    return { bytes: await large.end(), encoding };
  }
}

/** In that encoding where it is large enough for one. */
export async function bodyOf(bytes: Buffer, encoding: Encoding | undefined): Promise<Body> {
  if (encoding === undefined || bytes.length < leastCompressed) return { bytes, encoding: undefined };
  return { bytes: await compress[encoding](bytes), encoding };
}
