import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The page as files: `index.html`, and what it asks for under `/assets/`, each with its content's hash in its name. */
export interface PageBundle {
  readonly html: string;
  readonly assets: ReadonlyMap<string, Uint8Array>;
}

const sources = fileURLToPath(new URL('./page/', import.meta.url));
/** Where `npm run build` puts it, as seen from the compiled form of this file. */
const built = fileURLToPath(new URL('../../../page/', import.meta.url));

/** In a checkout made from its sources, which is quick; in an installed package as it was built. Rejects where there is none. */
export async function loadPage(): Promise<PageBundle> {
  return existsSync(join(sources, 'main.ts')) ? bundlePage() : readPage(built);
}

/** Writes the page into a directory, for a package that has neither its sources nor esbuild. */
export async function writePage(directory: string): Promise<void> {
  const { html, assets } = await bundlePage();
  // what another build left has other names
  await rm(directory, { recursive: true, force: true });
  await mkdir(join(directory, 'assets'), { recursive: true });
  await writeFile(join(directory, 'index.html'), html);
  for (const [name, content] of assets) await writeFile(join(directory, 'assets', name), content);
}

export async function readPage(directory: string): Promise<PageBundle> {
  const html = await readFile(join(directory, 'index.html'), 'utf8');
  const names = await readdir(join(directory, 'assets'));
  const files = names.map(async (name) => [name, await readFile(join(directory, 'assets', name))] as const);
  return { html, assets: new Map(await Promise.all(files)) };
}

async function bundlePage(): Promise<PageBundle> {
  // only a checkout has esbuild
  const { build } = await import('esbuild');
  const { outputFiles } = await build({
    entryPoints: ['main.ts', 'page.css', 'drawing/layout-worker.ts'].map((name) => join(sources, name)),
    outdir: sources,
    write: false,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2023',
    legalComments: 'none',
    logLevel: 'silent',
  });
  const assets = new Map<string, Uint8Array>();
  const named = new Map<string, string>();
  for (const { path, contents } of outputFiles) {
    const extension = extname(path);
    const plain = path.slice(path.lastIndexOf('/') + 1, -extension.length);
    const hash = createHash('sha256').update(contents).digest('hex').slice(0, 16);
    const name = `${plain}-${hash}${extension}`;
    assets.set(name, contents);
    named.set(`${plain}${extension}`, name);
  }
  const template = await readFile(join(sources, 'index.html'), 'utf8');
  const html = template.replace(/\bassets\/([\w.-]+)/g, (_, name: string) => {
    const asset = named.get(name);
    if (asset === undefined) throw new Error(`index.html asks for ${name}, which the bundle does not have`);
    return `assets/${asset}`;
  });
  return { html, assets };
}
