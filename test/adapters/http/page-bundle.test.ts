import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import test from 'ava';
import express from 'express';
import { loadPage, readPage, writePage } from '../../../controller/adapters/http/page-bundle.ts';
import { contentSecurityPolicy, pageRouter } from '../../../controller/adapters/http/page-router.ts';

interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Plainly: `fetch` would unpack what comes. */
async function get(port: number, path: string, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
  const asked = request({ host: '127.0.0.1', port, path, headers }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  const body = Buffer.concat(await Array.fromAsync(response as AsyncIterable<Buffer>));
  return { status: response.statusCode ?? 0, headers: response.headers, body };
}

async function serving(t: { teardown(end: () => void): void }): Promise<{ port: number; html: string }> {
  const page = await loadPage();
  const app = express().disable('etag');
  app.use(await pageRouter(page));
  const server = app.listen(0, '127.0.0.1');
  t.teardown(() => void server.close());
  await new Promise((resolve) => void server.once('listening', resolve));
  return { port: (server.address() as AddressInfo).port, html: page.html };
}

test('what a build writes is what a checkout serves', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'nanoseg-built-page-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  await writePage(directory);
  const [built, made] = await Promise.all([readPage(directory), loadPage()]);
  t.is(built.html, made.html);
  t.deepEqual([...built.assets.keys()].sort(), [...made.assets.keys()].sort());
  for (const [name, content] of made.assets)
    t.deepEqual(Buffer.from(built.assets.get(name) ?? []), Buffer.from(content));
});

test('the page names nothing that it does not bring along, and loads nothing from elsewhere', async (t) => {
  const { html, assets } = await loadPage();
  const named = [...html.matchAll(/(?:src|href|content)="([^"]+)"/g)].map(([, value = '']) => value);
  const asked = named.filter((value) => value.startsWith('assets/')).map((value) => value.slice('assets/'.length));
  t.deepEqual([...asked].sort(), [...assets.keys()].sort());
  t.is(asked.length, 3);
  for (const content of assets.values())
    t.notRegex(Buffer.from(content).toString(), /@import|url\(\s*['"]?(?:https?:)?\/\//);
});

test('the page may run nothing but its own scripts and be framed by nobody', async (t) => {
  const { port } = await serving(t);
  const { status, headers } = await get(port, '/');
  t.is(status, 200);
  t.is(headers['content-security-policy'], contentSecurityPolicy);
  t.regex(contentSecurityPolicy, /default-src 'none'.*frame-ancestors 'none'.*base-uri 'none'.*form-action 'none'/);
  t.notRegex(contentSecurityPolicy, /unsafe|\*|https?:/);
  t.is(headers['cache-control'], 'no-cache');
});

test('assets are kept for ever under their names, packed as the browser understands, and asked for again in vain', async (t) => {
  const { port, html } = await serving(t);
  const [name = ''] = /assets\/main-[0-9a-f]{16}\.js/.exec(html) ?? [];
  const [plain, br, zipped] = await Promise.all([
    get(port, `/${name}`),
    get(port, `/${name}`, { 'accept-encoding': 'gzip, br' }),
    get(port, `/${name}`, { 'accept-encoding': 'gzip' }),
  ]);
  t.is(plain.headers['content-encoding'], undefined);
  t.is(br.headers['content-encoding'], 'br');
  t.deepEqual(brotliDecompressSync(br.body), plain.body);
  t.deepEqual(gunzipSync(zipped.body), plain.body);
  t.regex(plain.headers['cache-control'] ?? '', /immutable/);
  t.regex(plain.headers['content-type'] ?? '', /^text\/javascript/);
  const again = await get(port, `/${name}`, { 'if-none-match': plain.headers.etag ?? '' });
  t.is(again.status, 304);
  t.is(again.body.length, 0);
  t.is((await get(port, '/assets/main-0000000000000000.js')).status, 404);
  t.is((await get(port, '/assets/..%2F..%2Fpackage.json')).status, 404);
});
