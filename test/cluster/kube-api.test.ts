import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';

const api = kubeApiOfFile();

clusterTest('only admin has rights at first; others have those that the test grants', async (t) => {
  await api().createNamespace('shop');
  const path = '/api/v1/namespaces/shop/configmaps';
  t.is((await api().request('admin', 'GET', path)).status, 200);
  t.is((await api().request('alice', 'GET', path)).status, 403);
  await api().grant('alice', [{ apiGroups: [''], resources: ['configmaps'], verbs: ['list'] }], 'shop');
  t.is((await api().request('alice', 'GET', path)).status, 200);
  t.is((await api().request('bob', 'GET', path)).status, 403);
});

clusterTest('kubectl acts as the user that is named', async (t) => {
  const map = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'shop' } });
  t.like(await api().kubectlApply('admin', map), { code: 0, out: 'configmap/a created\n' });
  t.like(await api().kubectl('alice', 'get', 'configmaps', '-n', 'shop', '-o', 'name'), { out: 'configmap/a\n' });
  const refused = await api().kubectl('dave', 'get', 'configmaps', '-n', 'shop');
  t.is(refused.code, 1);
  t.regex(refused.err, /Forbidden.*"dave"/);
});

clusterTest('a service account has a token with its own name', async (t) => {
  const token = await api().serviceAccountToken('shop', 'reader');
  const { body } = await api().request('admin', 'POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
    spec: { token },
  });
  t.is(body.status.user.username, 'system:serviceaccount:shop:reader');
});

clusterTest('a namespace is gone after its deletion', async (t) => {
  await api().createNamespace('gone');
  await api().deleteNamespace('gone');
  t.is((await api().request('admin', 'GET', '/api/v1/namespaces/gone')).status, 404);
});

clusterTest('what is stored survives a restart, and old versions do not survive a compaction', async (t) => {
  const path = '/api/v1/namespaces/shop/configmaps';
  const { body } = await api().request('admin', 'GET', path);
  await api().compact();
  t.is((await api().request('admin', 'GET', path)).body.items.length, 1);
  const position = body.metadata.resourceVersion;
  const watch = await api().request('admin', 'GET', `${path}?watch=1&timeoutSeconds=5&resourceVersion=${position}`);
  t.like(watch.body, { type: 'ERROR', object: { code: 410 } });
});

clusterTest('no server is left behind by a test process that is killed', async (t) => {
  const module = fileURLToPath(new URL('../support/kube-api.ts', import.meta.url));
  const script = `import { startKubeApi } from ${JSON.stringify(module)};
    const api = await startKubeApi();
    console.log(JSON.stringify([api.directory, api.pids()]));
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const [line] = await once(createInterface(child.stdout), 'line');
  const [directory, pids] = JSON.parse(String(line)) as [string, number[]];
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  t.is(pids.filter((pid) => existsSync(`/proc/${pid}`)).length, 2);
  child.kill('SIGKILL');
  await once(child, 'exit');
  const deadline = Date.now() + 10_000;
  const running = () => pids.filter((pid) => existsSync(`/proc/${pid}`));
  while (running().length > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
  t.deepEqual(running(), []);
});
