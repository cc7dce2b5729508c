import { once } from 'node:events';
import type { Transform } from 'node:stream';
import { promisify } from 'node:util';
import {
  brotliCompress,
  constants,
  createBrotliCompress,
  createGzip,
  createZstdCompress,
  gzip,
  zstdCompress,
} from 'node:zlib';

/** In the order of our preference. */
export const encodings = ['zstd', 'br', 'gzip'] as const;
export type Encoding = (typeof encodings)[number];

/** Compresses a body that is small enough for taking a little time about it. */
export const compress: Readonly<Record<Encoding, (body: Buffer) => Promise<Buffer>>> = {
  zstd: (body) => promisify(zstdCompress)(body, { params: { [constants.ZSTD_c_compressionLevel]: 5 } }),
  br: (body) =>
    promisify(brotliCompress)(body, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 5, [constants.BROTLI_PARAM_SIZE_HINT]: body.length },
    }),
  gzip: (body) => promisify(gzip)(body, { level: 6 }),
};

/** Each piece of compressed output is a turn of the event loop. */
const chunkSize = 1 << 18;

/** For a large body time matters more than size. */
const fastest: Readonly<Record<Encoding, () => Transform>> = {
  zstd: () => createZstdCompress({ chunkSize, params: { [constants.ZSTD_c_compressionLevel]: 1 } }),
  br: () => createBrotliCompress({ chunkSize, params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
  gzip: () => createGzip({ chunkSize, level: 1 }),
};

/** Compresses a large body in another thread while the next piece of it is being made. */
export class LargeBody {
  readonly #stream: Transform;
  readonly #parts: Buffer[] = [];
  readonly #whole: Promise<Buffer>;
  #taken: Promise<void> = Promise.resolve();

  constructor(encoding: Encoding) {
    this.#stream = fastest[encoding]();
    this.#stream.on('data', (part: Buffer) => this.#parts.push(part));
    this.#whole = once(this.#stream, 'end').then(() => Buffer.concat(this.#parts));
    // who awaits it later hears of it
    this.#whole.catch(() => undefined);
  }

  /** Resolves when the bytes that were added are not needed any more. */
  taken(): Promise<void> {
    return this.#taken;
  }

  add(bytes: Uint8Array): void {
    this.#taken = new Promise((resolve, reject) => {
      this.#stream.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
    this.#taken.catch(() => undefined);
  }

  /** All that was added, compressed. */
  async end(): Promise<Buffer> {
    await this.#taken;
    this.#stream.end();
    return this.#whole;
  }
}
