import { readFileSync } from 'node:fs';
import { request } from 'node:https';

/**
 * The least that any program does which knows a cluster: lists these paths of an API server page by page, one after
 * the other, parses the JSON and keeps all of it. Arguments: server, CA file, token, paths.
 */
const [server = '', caFile = '', token = '', ...paths] = process.argv.slice(2);
const ca = readFileSync(caFile);
const kept: unknown[] = [];
let bytes = 0;

function get(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request(`${server}${path}`, { ca, headers: { authorization: `Bearer ${token}` } }, (reply) => {
      const chunks: Buffer[] = [];
      reply.on('data', (chunk: Buffer) => chunks.push(chunk));
      reply.on('end', () => resolve(Buffer.concat(chunks).toString()));
    })
      .on('error', reject)
      .end();
  });
}

for (const path of paths) {
  let more: string | undefined = '';
  while (more !== undefined) {
    const text = await get(`${path}?limit=500${more === '' ? '' : `&continue=${encodeURIComponent(more)}`}`);
    bytes += text.length;
    const list = JSON.parse(text) as { readonly items: unknown[]; readonly metadata: { readonly continue?: string } };
    kept.push(list.items);
    more = list.metadata.continue || undefined;
  }
}
const atMs = Date.now();
for (let i = 0; i < 3; i++) globalThis.gc?.();
const { rss, heapUsed, external } = process.memoryUsage();
process.send?.({ atMs, bytes, rssBytes: rss, liveBytes: heapUsed + external, lists: kept.length });
process.disconnect?.();
