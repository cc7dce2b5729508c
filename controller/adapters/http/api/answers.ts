import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip, zstdCompress } from 'node:zlib';
import type { Request, Response } from 'express';
import type { Clock } from '../../../ports.ts';
import type { Lazily } from './route.ts';
import { textBytes } from './text-bytes.ts';

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
  readonly body: Buffer;
  readonly encoded: Map<Encoding, Promise<Buffer>>;
  readonly mark: string;
  readonly freshUntilMs: number;
}

/** Answers with ETags, compressed as the client takes it; those that are dear to make are made once for all who ask alike. */
export class Answers {
  readonly #clock: Clock;
  /** Differs for each process: its numbers mean nothing to another one. */
  readonly #epoch: string;
  /** In the order of their use. */
  readonly #kept = new Map<string, Made>();

  constructor(clock: Clock, epoch: string) {
    this.#clock = clock;
    this.#epoch = epoch;
  }

  async json(request: Request, response: Response, status: number, value: unknown): Promise<void> {
    const body = Buffer.from(JSON.stringify(value));
    const etag = tagOf(body);
    await send(request, response, status, { etag, type: jsonType, body, encoded: new Map() });
  }

  /** `asked`: the whole request as a text, with who may see what. */
  async lazy(request: Request, response: Response, asked: string, { mark, make }: Lazily): Promise<void> {
    const known = this.#kept.get(asked);
    const usable = known !== undefined && (known.mark === mark || this.#clock.now() < known.freshUntilMs);
    const made = usable ? known : this.#make(mark, make);
    this.#kept.delete(asked);
    this.#kept.set(asked, made);
    this.#forgetOldest();
    await send(request, response, 200, made);
  }

  #make(mark: string, make: Lazily['make']): Made {
    const startMs = this.#clock.now();
    const { type, text } = make();
    const body = textBytes(text);
    const nowMs = this.#clock.now();
    return {
      etag: tagOf(Buffer.from(`${this.#epoch} ${mark}`)),
      type,
      body,
      encoded: new Map(),
      mark,
      freshUntilMs: nowMs + Math.max(leastFreshMs, (nowMs - startMs) * freshShare),
    };
  }

  #forgetOldest(): void {
    let bytes = 0;
    for (const { body } of this.#kept.values()) bytes += body.length * 1.5;
    for (const [asked, { body }] of this.#kept) {
      if (bytes <= mostKeptBytes || this.#kept.size <= 1) return;
      this.#kept.delete(asked);
      bytes -= body.length * 1.5;
    }
  }
}

const jsonType = 'application/json; charset=utf-8';

function tagOf(content: Buffer): string {
  return `W/"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`;
}

async function send(
  request: Request,
  response: Response,
  status: number,
  { etag, type, body, encoded }: Pick<Made, 'etag' | 'type' | 'body' | 'encoded'>,
): Promise<void> {
  response.status(status).set({
    'Cache-Control': 'private, no-cache',
    Vary: 'Accept-Encoding, Authorization, X-Nanoseg-Authorization',
    ...(request.method === 'GET' && { ETag: etag }),
  });
  if (request.method === 'GET' && request.fresh) return void response.status(304).end();
  const encoding = body.length < leastCompressed ? undefined : encodingOf(request);
  let sent = body;
  if (encoding !== undefined) {
    let compressed = encoded.get(encoding);
    if (compressed === undefined) encoded.set(encoding, (compressed = compress[encoding](body)));
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
