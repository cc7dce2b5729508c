import { createHash } from 'node:crypto';
import type { Request, Response } from 'express';
import type { Clock } from '../../../ports.ts';
import { type Body, bodyOf, BodyMaker } from './body-maker.ts';
import { type Encoding, encodings } from './encodings.ts';
import type { Lazily, Written } from './route.ts';

/** Made answers are kept up to so many bytes. */
const mostKeptBytes = 96 * 1_048_576;
const leastFreshMs = 1_000;
/** An answer is used again for so many times as long as making it took, so that looking never crowds out watching. */
const freshShare = 8;

interface Made {
  readonly etag: string;
  readonly mark: string;
  readonly type: string;
  readonly body: Promise<Body>;
  /** 0 until it is made. */
  bytes: number;
  freshUntilMs: number;
}

/** Answers with ETags, compressed as the client takes it; those that are dear to make are made once for all who ask alike. */
export class Answers {
  readonly #clock: Clock;
  /** Differs for each process: its numbers mean nothing to another one. */
  readonly #epoch: string;
  readonly #bodies = new BodyMaker();
  /** By what was asked and the encoding, in the order of their use. */
  readonly #kept = new Map<string, Made>();

  constructor(clock: Clock, epoch: string) {
    this.#clock = clock;
    this.#epoch = epoch;
  }

  async json(request: Request, response: Response, status: number, value: unknown): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(value));
    if (!begin(request, response, status, tagOf(bytes))) return;
    send(response, jsonType, await bodyOf(bytes, encodingOf(request)));
  }

  /** `asked`: the whole request as a text, with who may see what. */
  async lazy(request: Request, response: Response, asked: string, { mark, make }: Lazily): Promise<void> {
    const encoding = encodingOf(request);
    const key = `${encoding ?? ''} ${asked}`;
    const known = this.#kept.get(key);
    const current = known !== undefined && (known.mark === mark || this.#clock.now() < known.freshUntilMs);
    const etag = current ? known.etag : tagOf(Buffer.from(`${this.#epoch} ${mark}`));
    if (!begin(request, response, 200, etag)) return;
    const made = current ? known : this.#make(key, etag, mark, encoding, make);
    this.#kept.delete(key);
    this.#kept.set(key, made);
    send(response, made.type, await made.body);
  }

  #make(key: string, etag: string, mark: string, encoding: Encoding | undefined, make: Lazily['make']): Made {
    const startMs = this.#clock.now();
    const { type, text } = make();
    const write = typeof text === 'function' ? text : writtenOf(typeof text === 'string' ? [text] : text);
    const body = this.#bodies.make(write, encoding);
    // who asks while it is being made waits for it
    const made: Made = { etag, mark, type, body, bytes: 0, freshUntilMs: Number.POSITIVE_INFINITY };
    body.then(
      ({ bytes }) => {
        const nowMs = this.#clock.now();
        made.bytes = bytes.length;
        made.freshUntilMs = nowMs + Math.max(leastFreshMs, (nowMs - startMs) * freshShare);
        this.#forgetOldest();
      },
      () => this.#kept.delete(key),
    );
    return made;
  }

  #forgetOldest(): void {
    let kept = 0;
    for (const { bytes } of this.#kept.values()) kept += bytes;
    for (const [key, { bytes }] of this.#kept) {
      if (kept <= mostKeptBytes || this.#kept.size <= 1) return;
      this.#kept.delete(key);
      kept -= bytes;
    }
  }
}

function writtenOf(pieces: Iterable<string>): Written {
  return function* (room) {
    for (const piece of pieces) {
      room.text(piece);
      yield;
    }
  };
}

const jsonType = 'application/json; charset=utf-8';

function tagOf(content: Buffer): string {
  return `W/"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`;
}

/** Status and headers; false, and done, where the client has this answer already. */
function begin(request: Request, response: Response, status: number, etag: string): boolean {
  const isGet = request.method === 'GET';
  response.status(status).set({
    'Cache-Control': 'private, no-cache',
    Vary: 'Accept-Encoding, Authorization, X-Nanoseg-Authorization',
    ...(isGet && { ETag: etag }),
  });
  if (!isGet || !request.fresh) return true;
  response.status(304).end();
  return false;
}

function send(response: Response, type: string, { bytes, encoding }: Body): void {
  if (encoding !== undefined) response.set('Content-Encoding', encoding);
  // as bytes: nothing shall add a charset or a tag of its own
  response.set({ 'Content-Type': type, 'Content-Length': `${bytes.length}` });
  response.end(bytes);
}

function encodingOf(request: Request): Encoding | undefined {
  const accepted = request.acceptsEncodings([...encodings, 'identity']);
  return encodings.find((each) => each === accepted);
}
