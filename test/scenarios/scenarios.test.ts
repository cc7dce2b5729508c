import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import test from 'ava';
import { run } from '../../cli/program.ts';

/**
 * Each folder is one claim: a cluster, what was seen in it, and what nanoseg says of both. `npm run scenarios:update`
 * rewrites the expected files, which are reviewed like code.
 */
const folder = relative(process.cwd(), import.meta.dirname);
const update = process.env['NANOSEG_UPDATE_GOLDENS'] === '1';
const claims = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isDirectory());

for (const { name: claim } of claims) {
  test(claim.replaceAll('-', ' '), async (t) => {
    const scenario = join(folder, claim);
    const actual = await analyse(scenario, join(scenario, await flowFile(scenario)));
    const expectedFolder = join(scenario, 'expected');
    if (update) {
      await rm(expectedFolder, { recursive: true, force: true });
      for (const [file, text] of actual) await write(join(expectedFolder, file), text);
    }
    const expected = await filesBelow(expectedFolder);
    t.deepEqual([...actual.keys()], [...expected.keys()]);
    for (const [file, text] of expected) t.is(actual.get(file), text, file);
  });

  if (existsSync(join(folder, claim, 'flows.jsonl'))) {
    test(`${claim.replaceAll('-', ' ')}, in whatever order the flows come`, async (t) => {
      const scenario = join(folder, claim);
      const directory = await mkdtemp(join(tmpdir(), 'nanoseg-scenario-'));
      t.teardown(() => rm(directory, { recursive: true }));
      const lines = (await readFile(join(scenario, 'flows.jsonl'), 'utf8')).trimEnd().split('\n');
      const path = join(directory, 'flows.jsonl');
      await writeFile(path, `${lines.toReversed().join('\n')}\n`);
      const [inOrder, reversed] = [
        await analyse(scenario, join(scenario, 'flows.jsonl')),
        await analyse(scenario, path),
      ];
      t.deepEqual(reversed, inOrder);
    });
  }
}

async function flowFile(scenario: string): Promise<string> {
  const file = (await readdir(scenario)).find((name) => name.startsWith('flows.'));
  if (file === undefined) throw new Error(`${scenario} has no file of flows`);
  return file;
}

/** What `nanoseg analyze` prints and writes: the policies by their path, and `report.txt` with all that it says. */
async function analyse(scenario: string, flows: string): Promise<Map<string, string>> {
  const out = await mkdtemp(join(tmpdir(), 'nanoseg-scenario-'));
  const profile = join(scenario, 'profile.yaml');
  const said: string[] = [];
  const terminal = {
    out: (text: string) => said.push(text),
    err: (text: string) => said.push(text),
    interactive: false,
    columns: 120,
    exit: () => {},
  };
  try {
    const args = ['analyze', '--cluster', join(scenario, 'cluster.yaml'), '--flows', flows, '--out', out];
    const code = await run(existsSync(profile) ? [...args, '--profile', profile] : args, terminal, '0.0.0');
    const files = await filesBelow(out);
    files.delete('report.json');
    const report = said.join('').replaceAll(out, 'OUT').replaceAll(flows, 'FLOWS');
    files.set('report.txt', code === 0 ? report : `${report}exit code ${code}\n`);
    return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
  } finally {
    await rm(out, { recursive: true });
  }
}

async function filesBelow(directory: string): Promise<Map<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const files = await Promise.all(
    paths.map(async (path) => [relative(directory, path), await readFile(path, 'utf8')] as const),
  );
  return new Map(files.sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}
