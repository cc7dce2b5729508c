import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { systemClock } from '../../../controller/adapters/system-clock.ts';
import { DirectoryStore } from '../../../controller/adapters/workspace/directory-store.ts';
import type { Problem } from '../../../controller/model/problem.ts';
import { renderYaml } from '../../../controller/policy/render-yaml.ts';
import { objectStoreContract } from '../../contract/object-store.ts';

async function workspace(t: ExecutionContext) {
  const root = await mkdtemp(join(tmpdir(), 'nanoseg-workspace-'));
  t.teardown(() => rm(root, { recursive: true, force: true }));
  await mkdir(join(root, 'cluster'));
  const problems: Problem[] = [];
  const store = new DirectoryStore({ root, clock: systemClock, report: (problem) => problems.push(problem) });
  const write = async (path: string, text: string) => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  };
  return { root, store, problems, write };
}

objectStoreContract(test, 'workspace directory', async (t) => {
  const { root, store, write } = await workspace(t);
  return {
    store,
    namespace: 'shop',
    writeForeignPolicy: (policy) => write(`cluster/policies/${policy.metadata.name}.yaml`, renderYaml(policy)),
    editPolicy: async (policy) => {
      const file = join(root, 'policies', 'shop', `${policy.metadata.name}.yaml`);
      const text = await readFile(file, 'utf8');
      await writeFile(file, text.replace('app: cart', 'app: somebody-else'));
    },
  };
});
