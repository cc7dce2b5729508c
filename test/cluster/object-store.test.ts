import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createKubeClient } from '../../controller/adapters/kubernetes/kube-client.ts';
import { KubeconfigError, loadKubeAccess } from '../../controller/adapters/kubernetes/kube-access.ts';
import { createKubernetesObjectStore } from '../../controller/adapters/kubernetes/object-store.ts';
import { ClusterError } from '../../controller/model/cluster-error.ts';
import type { KubernetesObject } from '../../controller/model/kubernetes-object.ts';
import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';

const api = kubeApiOfFile();

interface ConfigMap extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>>;
}

function configMap(name: string, data: Readonly<Record<string, string>> = {}): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' }, data };
}

function policy(name: string, port: number): NetworkPolicy {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace: 'default', labels: { 'app.kubernetes.io/managed-by': 'nanoseg' } },
    spec: {
      podSelector: { matchLabels: { app: 'cart' } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        { from: [{ podSelector: { matchLabels: { app: 'frontend' } } }], ports: [{ protocol: 'TCP', port }] },
        { from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }], ports: [{ protocol: 'UDP', port }] },
      ],
      egress: [{ to: [{ namespaceSelector: {} }], ports: [{ protocol: 'TCP', port: 'http' }] }],
    },
  };
}

const refMap = (name: string) => ({ kind: 'ConfigMap', namespace: 'default', name });

clusterTest('every field of a policy survives being applied and read back', async (t) => {
  const wanted = policy('nanoseg-cart', 7070);
  const tried = await api().asAdmin.applyPolicy(wanted, { dryRun: true });
  t.deepEqual(tried.spec, wanted.spec);
  const ref = { kind: 'NetworkPolicy', namespace: 'default', name: 'nanoseg-cart' };
  t.is(await api().asAdmin.get(ref), undefined);
  const answer = await api().asAdmin.applyPolicy(wanted, { dryRun: false });
  t.deepEqual(answer.spec, wanted.spec);
  const stored = await api().asAdmin.get<NetworkPolicy>(ref);
  t.deepEqual(stored?.spec, wanted.spec);
  t.deepEqual(stored?.metadata.labels, wanted.metadata.labels);
  t.like(stored?.metadata, { managedFields: [{ manager: 'nanoseg' }] } as object);
});

clusterTest('what another field manager changed is a conflict until it is taken back by force', async (t) => {
  await api().asAdmin.applyPolicy(policy('nanoseg-a', 80), { dryRun: false });
  const edit = '{"spec":{"ingress":[{}]}}';
  t.like(await api().kubectl('admin', 'patch', 'netpol', 'nanoseg-a', '--type=merge', '-p', edit), { code: 0 });
  const error = await t.throwsAsync(api().asAdmin.applyPolicy(policy('nanoseg-a', 80), { dryRun: false }), {
    instanceOf: ClusterError,
  });
  t.is(error.code, 'Conflict');
  t.regex(error.message, /kubectl.*\.spec\.ingress/s);
  const repaired = await api().asAdmin.applyPolicy(policy('nanoseg-a', 80), { dryRun: false, force: true });
  t.deepEqual(repaired.spec, policy('nanoseg-a', 80).spec);
});

clusterTest('a field that the server is too old for is Invalid, and not a fault that passes', async (t) => {
  const { spec, ...rest } = policy('nanoseg-c', 80);
  const later = { ...rest, spec: { ...spec, inventedIn2099: true } };
  const error = await t.throwsAsync(api().asAdmin.applyPolicy(later, { dryRun: true }), { instanceOf: ClusterError });
  t.is(error.code, 'Invalid');
  t.false(error.retryable);
  t.regex(error.message, /inventedIn2099/);
});

clusterTest('a policy that the server refuses is Invalid and names the field', async (t) => {
  const error = await t.throwsAsync(api().asAdmin.applyPolicy(policy('nanoseg-b', 70_000), { dryRun: true }), {
    instanceOf: ClusterError,
  });
  t.is(error.code, 'Invalid');
  t.false(error.retryable);
  t.regex(error.message, /spec\.ingress\[0\]\.ports\[0\]\.port/);
});

clusterTest('an update of what somebody changed in between is a conflict', async (t) => {
  const first = await api().asAdmin.create(configMap('shared', { a: '1' }));
  t.is(
    (await t.throwsAsync(api().asAdmin.create(configMap('shared')), { instanceOf: ClusterError })).code,
    'AlreadyExists',
  );
  await api().asAdmin.update({ ...first, data: { a: '2' } });
  const stale = api().asAdmin.update({ ...first, data: { a: '3' } });
  t.is((await t.throwsAsync(stale, { instanceOf: ClusterError })).code, 'Conflict');
  t.deepEqual((await api().asAdmin.get<ConfigMap>(refMap('shared')))?.data, { a: '2' });
});

clusterTest('a status is written apart from the rest', async (t) => {
  const meta = { name: 'web', namespace: 'default' };
  const container = { name: 'web', image: 'web' };
  const pod: KubernetesObject & { readonly spec: object; readonly status?: object } = await api().asAdmin.create({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: meta,
    spec: { containers: [container] },
  });
  const answer = await api().asAdmin.updateStatus({
    ...pod,
    spec: { containers: [container], activeDeadlineSeconds: 5 },
    status: { phase: 'Running', podIP: '10.244.0.5', podIPs: [{ ip: '10.244.0.5' }] },
  });
  t.like(answer, { status: { phase: 'Running' } });
  t.false('activeDeadlineSeconds' in answer.spec);
});

clusterTest('annotations are set and removed without touching anything else', async (t) => {
  await api().asAdmin.create(configMap('noted', { a: '1' }));
  await api().asAdmin.annotate(refMap('noted'), { one: '1', two: '2' });
  await api().asAdmin.annotate(refMap('noted'), { one: null });
  const stored = await api().asAdmin.get<ConfigMap>(refMap('noted'));
  t.deepEqual(stored?.metadata.annotations, { two: '2' });
  t.deepEqual(stored?.data, { a: '1' });
});

clusterTest('only the very object is removed, and one that is gone is fine', async (t) => {
  const first = await api().asAdmin.create(configMap('again'));
  await api().asAdmin.remove(refMap('again'), first.metadata.uid);
  t.is(await api().asAdmin.get(refMap('again')), undefined);
  const second = await api().asAdmin.create(configMap('again'));
  await api().asAdmin.remove(refMap('again'), first.metadata.uid);
  t.is((await api().asAdmin.get(refMap('again')))?.metadata.uid, second.metadata.uid);
  await api().asAdmin.remove(refMap('again'));
  await api().asAdmin.remove(refMap('again'));
  t.is(await api().asAdmin.get(refMap('again')), undefined);
});

clusterTest('a missing right is named in words', async (t) => {
  await api().createNamespace('shop');
  const create = api()
    .storeOf('dave')
    .create({ ...configMap('a'), metadata: { name: 'a', namespace: 'shop' } });
  const error = await t.throwsAsync(create, { instanceOf: ClusterError });
  t.is(error.code, 'Forbidden');
  t.is(error.message, 'you may not create configmaps in namespace shop (you are dave)');
  const all = await t.throwsAsync(api().storeOf('dave').list('NetworkPolicy'), { instanceOf: ClusterError });
  t.is(all.message, 'you may not list networkpolicies in the whole cluster (you are dave)');
});

clusterTest('resources that are not installed are no empty lists', async (t) => {
  const error = await t.throwsAsync(api().asAdmin.list('PolicyProposal'), { instanceOf: ClusterError });
  t.is(error.code, 'NotFound');
  t.regex(error.message, /policyproposals: the server does not have this kind of object/);
  const one = api().asAdmin.get({ kind: 'PolicyProposal', namespace: 'shop', name: 'deployment-cart' });
  await t.throwsAsync(one, { instanceOf: ClusterError });
});

clusterTest('a server that is older has CronJobs too', async (t) => {
  t.deepEqual(await api().asAdmin.list('CronJob'), []);
  const slices = await api().asAdmin.list('EndpointSlice', 'default');
  t.like(slices[0], { apiVersion: 'discovery.k8s.io/v1beta1', kind: 'EndpointSlice' });
});

clusterTest('an impersonated user has the rights of that user only', async (t) => {
  const client = api().clientOf('admin', { impersonate: { user: 'alice', groups: ['reviewers'] } });
  const error = await t.throwsAsync(createKubernetesObjectStore(client).list('Secret', 'shop'), {
    instanceOf: ClusterError,
  });
  t.is(error.message, 'you may not list secrets in namespace shop (you are alice)');
});

clusterTest('a token file is read again when the server refuses the token', async (t) => {
  const directory = api().directory;
  const tokenFile = join(directory, 'rotated-token');
  await writeFile(tokenFile, `${api().tokenOf('admin')}\n`);
  const kubeconfig = join(directory, 'token-file.kubeconfig');
  const config = {
    clusters: [{ name: 'c', cluster: { server: api().server, 'certificate-authority': 'certificates/apiserver.crt' } }],
    users: [{ name: 'u', user: { tokenFile: 'rotated-token' } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: 'shop' } }],
    'current-context': 'x',
  };
  await writeFile(kubeconfig, JSON.stringify(config));
  const client = createKubeClient({ kubeconfig, version: '0.0.0-test' });
  t.teardown(() => client.close());
  t.is(client.namespace, 'shop');
  const store = createKubernetesObjectStore(client);
  await writeFile(tokenFile, 'wrong');
  const error = await t.throwsAsync(store.list('Namespace'), { instanceOf: ClusterError });
  t.is(error.code, 'Unauthorized');
  await writeFile(tokenFile, `${api().tokenOf('admin')}\n`);
  t.true((await store.list('Namespace')).length > 0);
});

clusterTest('a credential plugin is asked for the token, and what it says when it fails is told', async (t) => {
  const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential' };
  const withPlugin = async (name: string, script: string) => {
    const kubeconfig = join(api().directory, `${name}.kubeconfig`);
    const exec = { apiVersion: credential.apiVersion, command: 'sh', args: ['-c', script], interactiveMode: 'Never' };
    const config = {
      clusters: [{ name: 'c', cluster: { server: api().server, 'certificate-authority': api().caFile } }],
      users: [{ name: 'u', user: { exec } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    };
    await writeFile(kubeconfig, JSON.stringify(config));
    return createKubernetesObjectStore(api().clientOf('dave', { kubeconfig }));
  };
  const reply = JSON.stringify({ ...credential, status: { token: api().tokenOf('admin') } });
  const working = await withPlugin('plugin', `echo '${reply}'`);
  t.true((await working.list('Namespace')).length > 0);
  const failing = await withPlugin('broken-plugin', 'echo log in again >&2; exit 1');
  const error = await t.throwsAsync(failing.list('Namespace'), { instanceOf: ClusterError });
  t.is(error.code, 'Unauthorized');
  t.is(error.message, 'no credentials can be had for context x: log in again');
});

clusterTest('a server with a certificate of another authority is not talked to', async (t) => {
  const kubeconfig = join(api().directory, 'system-authorities.kubeconfig');
  const config = {
    clusters: [{ name: 'c', cluster: { server: api().server } }],
    users: [{ name: 'u', user: { token: api().tokenOf('admin') } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  await writeFile(kubeconfig, JSON.stringify(config));
  const client = createKubeClient({ kubeconfig, version: '0.0.0-test' });
  t.teardown(() => client.close());
  const error = await t.throwsAsync(createKubernetesObjectStore(client).list('Namespace'), {
    instanceOf: ClusterError,
  });
  t.is(error.code, 'Unavailable');
  t.regex(error.message, /cannot be reached: its certificate is not signed by the certificate authority/);
});

clusterTest('a server that is down is Unavailable, and usable again without a new client', async (t) => {
  await api().stopServer();
  const error = await t.throwsAsync(api().asAdmin.list('Namespace'), { instanceOf: ClusterError });
  t.is(error.code, 'Unavailable');
  t.true(error.retryable);
  t.regex(error.message, /^https:\/\/127\.0\.0\.1:\d+ cannot be reached: nothing listens there/);
  await api().startServer();
  t.true((await api().asAdmin.list('Namespace')).length > 0);
});

clusterTest('a kubeconfig that cannot be used says where and why', async (t) => {
  const load = (options: Parameters<typeof loadKubeAccess>[0]) =>
    t.throws(() => loadKubeAccess(options), { instanceOf: KubeconfigError }).message;
  t.regex(
    load({ environment: { HOME: '/nowhere' } }),
    /^no kubeconfig at \/nowhere\/\.kube\/config, KUBECONFIG is not/,
  );
  t.regex(load({ kubeconfig: '/nowhere/config' }), /^no kubeconfig can be read at \/nowhere\/config$/);
  const kubeconfig = api().kubeconfig('alice');
  t.is(load({ kubeconfig, context: 'prod' }), 'the kubeconfig has no context prod; it has: test');
  const broken = join(api().directory, 'broken.kubeconfig');
  await writeFile(broken, '{"clusters": [');
  t.regex(load({ environment: { KUBECONFIG: broken } }), /broken\.kubeconfig is no kubeconfig: /);
  const both = loadKubeAccess({ environment: { KUBECONFIG: `/nowhere/config:${kubeconfig}:${broken.slice(0, -1)}` } });
  t.is(both.server, api().server);
});
