import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip, zstdCompress } from 'node:zlib';
import type { Request, Response } from 'express';
import type { Clock } from '../../../ports.ts';
import type { Lazily } from './route.ts';
import { TextBytes } from './text-bytes.ts';

/** Smaller bodies are not worth the work. */
const leastCompressed = 1_024;
/** Beyond it, time matters more than size. */
const largeBody = 1 << 20;
/** Made answers are kept up to so many bytes, compressed forms and all. */
const mostKeptBytes = 96 * 1_048_576;
const leastFreshMs = 1_000;
/** An answer is used again for so many times as long as making it took, so that looking never crowds out watching. */
const freshShare = 8;

const encodings = ['zstd', 'br', 'gzip'] as const;
type Encoding = (typeof encodings)[number];

const compress: Readonly<Record<Encoding, (body: Buffer) => Promise<Buffer>>> = {
  zstd: (body) =>
    promisify(zstdCompress)(body, { params: { [constants.ZSTD_c_compressionLevel]: body.length > largeBody ? 1 : 5 } }),
  br: (body) =>
    promisify(brotliCompress)(body, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: body.length > largeBody ? 1 : 5,
        [constants.BROTLI_PARAM_SIZE_HINT]: body.length,
      },
    }),
  gzip: (body) => promisify(gzip)(body, { level: body.length > largeBody ? 1 : 6 }),
};

interface Made {
  readonly etag: string;
  readonly type: string;
  /** Undefined of a large one, of which only the compressed form is kept. */
  readonly body: Buffer | undefined;
  readonly encoded: Map<Encoding, Promise<Buffer>>;
  readonly bytes: number;
  readonly mark: string;
  readonly freshUntilMs: number;
}

/** Answers with ETags, compressed as the client takes it; those that are dear to make are made once for all who ask alike. */
export class Answers {
  readonly #clock: Clock;
  /** Differs for each process: its numbers mean nothing to another one. */
  readonly #epoch: string;
  readonly #texts = new TextBytes();
  /** In the order of their use. */
  readonly #kept = new Map<string, Made>();

  constructor(clock: Clock, epoch: string) {
    this.#clock = clock;
    this.#epoch = epoch;
  }

  async json(request: Request, response: Response, status: number, value: unknown): Promise<void> {
    const body = Buffer.from(JSON.stringify(value));
    if (begin(request, response, status, tagOf(body))) await send(request, response, jsonType, body, new Map());
  }

  /** `asked`: the whole request as a text, with who may see what. */
  async lazy(request: Request, response: Response, asked: string, { mark, make }: Lazily): Promise<void> {
    const encoding = encodingOf(request);
    const known = this.#kept.get(asked);
    const current = known !== undefined && (known.mark === mark || this.#clock.now() < known.freshUntilMs);
    const etag = current ? known.etag : tagOf(Buffer.from(`${this.#epoch} ${mark}`));
    if (!begin(request, response, 200, etag)) return;
    const usable = current && (known.body !== undefined || (encoding !== undefined && known.encoded.has(encoding)));
    const made = usable ? known : this.#make(etag, mark, encoding, make);
    this.#kept.delete(asked);
    this.#kept.set(asked, made);
    this.#forgetOldest();
    await send(request, response, made.type, made.body, made.encoded);
  }

  #make(etag: string, mark: string, encoding: Encoding | undefined, make: Lazily['make']): Made {
    const startMs = this.#clock.now();
    const { type, text } = make();
    const { bytes: written, release } = this.#texts.write(text);
    const nowMs = this.#clock.now();
    const freshUntilMs = nowMs + Math.max(leastFreshMs, (nowMs - startMs) * freshShare);
    const encoded = new Map<Encoding, Promise<Buffer>>();
    if (encoding !== undefined && written.length > largeBody) {
      encoded.set(encoding, compress[encoding](written).finally(release));
      // what it will come to is not known yet
      return { etag, type, body: undefined, encoded, bytes: written.length >> 2, mark, freshUntilMs };
    }
    const body = Buffer.from(written);
    release();
    return { etag, type, body, encoded, bytes: body.length * 2, mark, freshUntilMs };
  }

  #forgetOldest(): void {
    let kept = 0;
    for (const { bytes } of this.#kept.values()) kept += bytes;
    for (const [asked, { bytes }] of this.#kept) {
      if (kept <= mostKeptBytes || this.#kept.size <= 1) return;
      this.#kept.delete(asked);
      kept -= bytes;
    }
  }
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

/** Without a body there is at least the form that the client takes. */
async function send(
  request: Request,
  response: Response,
  type: string,
  body: Buffer | undefined,
  encoded: Map<Encoding, Promise<Buffer>>,
): Promise<void> {
  const wanted = encodingOf(request);
  const encoding = body !== undefined && body.length < leastCompressed ? undefined : wanted;
  let sent = body ?? Buffer.alloc(0);
  if (encoding !== undefined) {
    let compressed = encoded.get(encoding);
    if (compressed === undefined) encoded.set(encoding, (compressed = compress[encoding](sent)));
    sent = await compressed;
    response.set('Content-Encoding', encoding);
  }
  // as bytes: nothing shall add a charset or a tag of its own
  response.set({ 'Content-Type': type, 'Content-Length': `${sent.length}` });
  response.end(sent);
}

function encodingOf(request: Request): Encoding | undefined {
  const accepted = request.acceptsEncodings([...encodings, 'identity']);
  return encodings.find((each) => each === accepted);
}
