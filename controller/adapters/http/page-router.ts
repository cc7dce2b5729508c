import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { type Request, type Response, Router } from 'express';
import type { PageBundle } from './page-bundle.ts';

/** What the page may load and who may frame it: nothing but itself, and nobody. */
export const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "worker-src 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  // nothing of the page ever makes markup of text
  "require-trusted-types-for 'script'",
  'trusted-types nanoseg-worker',
].join('; ');

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
};

interface Served {
  readonly type: string;
  readonly etag: string;
  readonly plain: Uint8Array;
  readonly br: Uint8Array;
  readonly gzip: Uint8Array;
}

/**
 * Serves `/` and `/assets/*`. An asset never changes under its name and is kept for ever; the page that names them is asked
 * for anew each time.
 */
export async function pageRouter({ html, assets }: PageBundle): Promise<Router> {
  const index = await served('index.html', Buffer.from(html));
  const files = new Map<string, Served>();
  for (const [name, content] of assets) files.set(name, await served(name, content));
  const router = Router();
  router.get('/', (request, response) => {
    response.set('Content-Security-Policy', contentSecurityPolicy);
    send(request, response, index, 'no-cache');
  });
  router.get('/assets/:name', (request, response, next) => {
    const file = files.get(request.params.name);
    if (file === undefined) return next();
    send(request, response, file, 'public, max-age=31536000, immutable');
  });
  return router;
}

async function served(name: string, content: Uint8Array): Promise<Served> {
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 7 } };
  const [br, zipped] = await Promise.all([promisify(brotliCompress)(content, quality), promisify(gzip)(content)]);
  const etag = `"${createHash('sha256').update(content).digest('hex').slice(0, 32)}"`;
  const type = types[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream';
  return { type, etag, plain: content, br, gzip: zipped };
}

function send(request: Request, response: Response, file: Served, caching: string): void {
  // the encodings are no content of their own, so that one validator stands for all of them
  response.set({ 'Cache-Control': caching, ETag: `W/${file.etag}`, Vary: 'Accept-Encoding' });
  response.set('X-Content-Type-Options', 'nosniff');
  if (request.fresh) return void response.status(304).end();
  // browsers name both alike, and the smaller one comes second in what they say
  const encoding = request.acceptsEncodings('br') || request.acceptsEncodings('gzip');
  const body = encoding === 'br' ? file.br : encoding === 'gzip' ? file.gzip : file.plain;
  if (encoding !== false) response.set('Content-Encoding', encoding);
  response.type(file.type).send(Buffer.from(body));
}
