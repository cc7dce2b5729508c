import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';

const root = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);

interface Stage {
  readonly name: string;
  /** Instruction and arguments, in their order. */
  readonly steps: readonly (readonly [string, string])[];
}

async function stages(): Promise<Stage[]> {
  const text = (await readFile(join(root, 'Dockerfile'), 'utf8')).replaceAll(/^#.*\n/gm, '').replaceAll('\\\n', ' ');
  const found: { name: string; steps: [string, string][] }[] = [];
  for (const line of text.split('\n').filter((each) => each.trim() !== '')) {
    const [, instruction = '', rest = ''] = /^(\w+)\s+(.*)$/.exec(line) ?? [];
    if (instruction === 'FROM') found.push({ name: / AS (\w+)$/.exec(rest)?.[1] ?? 'image', steps: [] });
    else found.at(-1)?.steps.push([instruction, rest]);
  }
  return found;
}

/** What `npm ci --omit=dev` would put there. */
async function linkDependencies(directory: string, omitDev: boolean): Promise<void> {
  const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; devOptional?: boolean; optional?: boolean }>;
  };
  for (const [path, { dev = false }] of Object.entries(lock.packages)) {
    const isTop = /^node_modules\/(@[^/]+\/)?[^/]+$/.test(path);
    if (!isTop || (omitDev && dev)) continue;
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await symlink(join(root, path), join(directory, path));
  }
}

/** Carries out a stage in directories of its own: all but the base image and the registry is real. */
async function carryOut(stage: Stage, world: string): Promise<void> {
  const own = join(world, stage.name);
  let at = own;
  for (const [instruction, rest] of stage.steps) {
    if (instruction === 'WORKDIR') await mkdir((at = join(own, rest)), { recursive: true });
    if (instruction === 'COPY') {
      const words = rest.split(' ');
      const from = words[0]?.startsWith('--from=') ? join(world, words.shift()?.slice('--from='.length) ?? '') : root;
      const target = words.pop() ?? '';
      for (const source of words) {
        const to = target.endsWith('/') ? join(target, source) : target;
        await cp(join(from, source), resolve(at, to), { recursive: true, verbatimSymlinks: true });
      }
    }
    if (instruction === 'RUN' && rest.startsWith('npm ci')) await linkDependencies(at, rest.includes('--omit=dev'));
    if (instruction === 'RUN' && !rest.startsWith('npm ci')) {
      const PATH = `${join(root, 'node_modules/.bin')}:${process.env['PATH']}`;
      await run('sh', ['-c', rest], { cwd: at, env: { ...process.env, PATH } });
    }
  }
}

test('the steps of the Dockerfile make an image that runs, from nothing but what it copies', async (t) => {
  const world = await mkdtemp(join(tmpdir(), 'nanoseg-image-'));
  t.teardown(() => rm(world, { recursive: true, force: true }));
  const all = await stages();
  for (const stage of all) await carryOut(stage, world);
  const image = all.at(-1);
  const entrypoint = JSON.parse(image?.steps.find(([name]) => name === 'ENTRYPOINT')?.[1] ?? '[]') as string[];
  t.is(entrypoint[0], 'node');
  const script = join(world, 'image', entrypoint[1] ?? '');
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  t.is((await run(process.execPath, [script, '--version'])).stdout.trim(), version);
});

test('the image does not run as root, and says the version of the package', async (t) => {
  const image = (await stages()).at(-1);
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  t.regex(image?.steps.find(([name]) => name === 'USER')?.[1] ?? '', /^[1-9]\d*:[1-9]\d*$/);
  t.true(image?.steps.find(([name]) => name === 'LABEL')?.[1].includes(`image.version="${version}"`));
  const kustomization = await readFile(join(root, 'examples/install/kustomization.yaml'), 'utf8');
  t.true(kustomization.includes(`newTag: ${version}`));
});

test('the build is sent everything that the Dockerfile copies, and nothing else', async (t) => {
  const lines = (await readFile(join(root, '.dockerignore'), 'utf8')).split('\n');
  const sent = lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
  const copied = (await stages())
    .flatMap(({ steps }) => steps)
    .filter(([instruction, rest]) => instruction === 'COPY' && !rest.startsWith('--from='))
    .flatMap(([, rest]) => rest.split(' ').slice(0, -1))
    .map((path) => path.split('/')[0] ?? '');
  t.true(lines.includes('*'));
  t.deepEqual([...new Set(copied)].sort(), sent.sort());
});
