import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { readCluster, readPolicies } from '../../../controller/adapters/workspace/read-cluster.ts';

async function directory(t: ExecutionContext, files: Readonly<Record<string, string>>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'nanoseg-'));
  t.teardown(() => rm(root, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(root, name, '..'), { recursive: true });
    await writeFile(join(root, name), text);
  }
  return root;
}

const pod = (name: string) => `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\nspec: {containers: [{name: c}]}\n`;

test('a directory is read with its sub-directories, manifests only, nothing hidden', async (t) => {
  const root = await directory(t, {
    'a.yaml': pod('a'),
    'sub/b.yml': pod('b'),
    'sub/deep/c.json': '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"c"},"spec":{"containers":[{}]}}',
    '.git/d.yaml': pod('d'),
    '.e.yaml': pod('e'),
    'notes.txt': 'not: [a manifest',
  });
  const { cluster, problems } = await readCluster([root]);
  t.deepEqual(problems, []);
  t.deepEqual(
    cluster.pods.map(({ name }) => name),
    ['a', 'b', 'c'],
  );
  t.is(cluster.workloads.values().next().value?.origin, `${root}/a.yaml:1`);
});

test('a file that is named is read whatever its ending, and once even when named twice', async (t) => {
  const root = await directory(t, { dump: pod('a') });
  const { cluster, objects } = await readCluster([join(root, 'dump'), join(root, 'dump')]);
  t.is(cluster.pods.length, 1);
  t.deepEqual([...objects], [['Pod', 1]]);
});

test('links in a circle end', async (t) => {
  const root = await directory(t, { 'a.yaml': pod('a') });
  await symlink(root, join(root, 'again'));
  t.is((await readCluster([root])).cluster.pods.length, 1);
});

test('a path that does not exist is a problem, and the others are read', async (t) => {
  const root = await directory(t, { 'a.yaml': pod('a') });
  const { cluster, problems } = await readCluster([join(root, 'missing'), root]);
  t.is(cluster.pods.length, 1);
  t.deepEqual(
    problems.map(({ code, where }) => [code, where]),
    [['InputNotFound', join(root, 'missing')]],
  );
});

test('only the policies can be read', async (t) => {
  const policy = (name: string, spec: string) =>
    `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
  const root = await directory(t, {
    'a.yaml': `${pod('a')}---\n${policy('b', '{podSelector: {}}')}---\n${policy('a', '{podSelector: {}, x: 1}')}`,
  });
  const { policies, problems } = await readPolicies([root]);
  t.deepEqual(
    policies.map(({ metadata }) => metadata.name),
    ['b'],
  );
  t.deepEqual(
    problems.map(({ code, where }) => [code, where]),
    [['PolicyInvalid', `${root}/a.yaml:11`]],
  );
});
