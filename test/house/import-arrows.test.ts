import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const root = fileURLToPath(new URL('../../', import.meta.url));
const core = ['model', 'attribution', 'graph', 'learning', 'policy', 'reconcile', 'view'];

/** Which rings of controller/ each ring may import, beside itself. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  model: [],
  attribution: ['model'],
  graph: ['model'],
  learning: ['model', 'graph'],
  policy: ['model'],
  reconcile: ['model', 'attribution', 'graph', 'learning', 'policy'],
  view: ['model', 'graph', 'policy', 'reconcile'],
};

interface Arrow {
  readonly from: string;
  readonly to: string;
}

async function arrowsOf(folder: string): Promise<Arrow[]> {
  const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.ts'));
  const arrows = await Promise.all(
    files.map(async ({ parentPath, name }) => {
      const path = join(parentPath, name);
      const text = await readFile(path, 'utf8');
      const targets = [
        ...text.matchAll(/^(?:import|export)\b[^;]*?from '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm),
      ];
      return targets.map((match) => {
        const target = match[1] ?? match[2] ?? match[3] ?? '';
        const to = target.startsWith('.') ? relative(root, resolve(dirname(path), target)) : target;
        return { from: relative(root, path), to };
      });
    }),
  );
  return arrows.flat();
}

const ringOf = (path: string) => /^controller\/([^/]+)\//.exec(path)?.[1];

test('every ring imports only what lies before it', async (t) => {
  const arrows = await arrowsOf('controller');
  t.true(arrows.length > 100);
  const wrong = arrows.filter(({ from, to }) => {
    const ring = ringOf(from);
    if (ring === undefined || !core.includes(ring) || !to.startsWith('controller/')) return false;
    const target = ringOf(to);
    // the ports are the core's own page of what it wants of the world
    if ((ring === 'reconcile' || ring === 'view') && to === 'controller/ports.ts') return false;
    return target === undefined || (target !== ring && !(mayImport[ring] ?? []).includes(target));
  });
  t.deepEqual(wrong, []);
});

/** Parts of the composition, each with those that it may not know; nor do adapters know any of them. */
const mayNotImport: Readonly<Record<string, readonly string[]>> = {
  intake: ['loop', 'serving'],
  loop: ['serving'],
  serving: [],
};

test('flows come in without the loop of proposals, which does not know who is told of it, and adapters know neither', async (t) => {
  const arrows = (await arrowsOf('controller')).filter(({ to }) => to.startsWith('controller/'));
  const parts = Object.keys(mayNotImport);
  t.deepEqual(
    parts.filter((part) => !arrows.some(({ from }) => ringOf(from) === part)),
    [],
  );
  const wrong = arrows.filter(({ from, to }) => {
    const [ring, target] = [ringOf(from) ?? '', ringOf(to)];
    if (ring === 'adapters') return target === undefined ? to !== 'controller/ports.ts' : parts.includes(target);
    return (mayNotImport[ring] ?? []).includes(target ?? '');
  });
  t.deepEqual(wrong, []);
});

test('the core imports no system: only itself, graphology and croner', async (t) => {
  const allowed = ['graphology', 'graphology-gexf', 'graphology-types', 'croner'];
  const foreign = (await arrowsOf('controller')).filter(
    ({ from, to }) => core.includes(ringOf(from) ?? '') && !to.startsWith('controller/') && !allowed.includes(to),
  );
  t.deepEqual(foreign, []);
});

test('synthesis and evaluation share nothing but the model and the table of network plugins', async (t) => {
  const arrows = (await arrowsOf('controller/policy')).filter(({ to }) => to.startsWith('controller/policy/'));
  const evaluation = (path: string) => path.startsWith('controller/policy/evaluate/');
  const reach = (start: string): Set<string> => {
    const seen = new Set([start]);
    for (const path of seen) for (const { from, to } of arrows) if (from === path) seen.add(to);
    return seen;
  };
  t.deepEqual([...reach('controller/policy/synthesize.ts')].filter(evaluation), []);
  const evaluators = [...new Set(arrows.map(({ from }) => from))].filter(evaluation);
  t.true(evaluators.length > 3);
  const outside = new Set(evaluators.flatMap((path) => [...reach(path)].filter((reached) => !evaluation(reached))));
  t.deepEqual([...outside], ['controller/policy/cni-profiles.ts']);
});

test('the command line is imported by nobody, and the controller does not know it', async (t) => {
  t.deepEqual(
    (await arrowsOf('controller')).filter(({ to }) => to.startsWith('cli/')),
    [],
  );
});
