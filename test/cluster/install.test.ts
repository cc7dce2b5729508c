import type { ExecutionContext } from 'ava';
import { loadAll } from 'js-yaml';
import { watchedKinds } from '../../controller/adapters/kubernetes/object-feed.ts';
import { groupOfResource, newestResource } from '../../controller/adapters/kubernetes/resource-paths.ts';
import { eventually } from '../support/approval-webhook.ts';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';
import {
  bindRole,
  installDirectory,
  installManifests,
  type Manifest,
  resourcesServed,
} from '../support/install-for-test.ts';

const api = kubeApiOfFile();
const account = 'system:serviceaccount:nanoseg-system:nanoseg-controller';
const home = 'nanoseg-system';
/** The first server with the API group version of a budget that every later one has. */
const budgetSince = 21;

interface Access {
  readonly verb: string;
  /** `group/resource`, `group/resource/subresource`; the core group is empty. */
  readonly resource: string;
  readonly namespace?: string;
  readonly name?: string;
}

async function may(user: string, { verb, resource, namespace, name }: Access): Promise<boolean> {
  const [group = '', plural = '', subresource] = resource.split('/');
  const attributes = { verb, group, resource: plural, subresource, namespace, name };
  const review = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    spec: { user, resourceAttributes: attributes },
  };
  const { status, body } = await api().request(
    'admin',
    'POST',
    '/apis/authorization.k8s.io/v1/subjectaccessreviews',
    review,
  );
  if (status !== 201) throw new Error(JSON.stringify(body));
  return body.status.allowed;
}

const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];

/** Asserts that of all verbs the user may do exactly these. */
async function mayExactly(
  t: ExecutionContext,
  user: string,
  allowed: string,
  resource: string,
  where: { readonly namespace?: string; readonly name?: string } = {},
): Promise<void> {
  const answers = await Promise.all(verbs.map((verb) => may(user, { verb, resource, ...where })));
  const granted = verbs.filter((_, i) => answers[i]);
  t.deepEqual(granted, allowed === '' ? [] : allowed.split(' '), `${user} ${resource} ${JSON.stringify(where)}`);
}

async function minorVersion(): Promise<number> {
  const { body } = await api().request('admin', 'GET', '/version');
  return Number.parseInt(body.minor, 10);
}

/** What this server has; of all that is installed only the budget needs a newer one. */
async function applicable(): Promise<Manifest[]> {
  const minor = await minorVersion();
  return (await installManifests()).filter(({ kind }) => kind !== 'PodDisruptionBudget' || minor >= budgetSince);
}

clusterTest('kustomize renders exactly the manifests of the directory', async (t) => {
  const version = await api().kubectl('admin', 'version', '--client', '-o', 'json');
  const minor = Number.parseInt(JSON.parse(version.out).clientVersion.minor, 10);
  const rendered = await api().kubectl('admin', 'kustomize', installDirectory);
  if (minor < 21) {
    t.log('this kubectl is older than 1.21: its kustomize takes no directory as a resource');
    t.pass();
    return;
  }
  t.is(rendered.code, 0, rendered.err);
  const names = (manifests: readonly Manifest[]): string[] =>
    manifests.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`).sort();
  const objects = loadAll(rendered.out) as Manifest[];
  t.deepEqual(names(objects), names(await installManifests()));
  const controller = objects.find(({ kind }) => kind === 'StatefulSet');
  t.regex(controller?.spec.template.spec.containers[0].image, /^nanoseg:\d/);
});

clusterTest('kubectl applies all of it, and again without a change', async (t) => {
  const manifests = await applicable();
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests });
  const first = await api().kubectlApply('admin', list);
  t.is(first.code, 0, first.err);
  await resourcesServed(api());
  const versions = async (): Promise<(string | undefined)[]> =>
    (await Promise.all(manifests.map(stored))).map(({ metadata }) => metadata.resourceVersion);
  const before = await versions();
  const second = await api().kubectlApply('admin', list);
  t.is(second.code, 0, second.err);
  t.deepEqual(await versions(), before);
});

async function stored({ kind, metadata: { name, namespace } }: Manifest): Promise<Manifest> {
  const inside = namespace === undefined ? [] : ['-n', namespace];
  const { out, err } = await api().kubectl('admin', 'get', kind, name, ...inside, '-o', 'json');
  if (out === '') throw new Error(err);
  return JSON.parse(out);
}

clusterTest('the server keeps every field of the manifests', async (t) => {
  for (const manifest of await applicable()) {
    if (manifest.kind === 'CustomResourceDefinition') continue;
    t.deepEqual(missingFrom(await stored(manifest), manifest), [], `${manifest.kind} ${manifest.metadata.name}`);
  }
});

/** Paths of what is wanted and not stored; the server may add defaults. */
function missingFrom(kept: unknown, wanted: unknown, path = ''): string[] {
  if (Array.isArray(wanted)) {
    if (!Array.isArray(kept) || kept.length !== wanted.length) return [path];
    return wanted.flatMap((item, i) => missingFrom(kept[i], item, `${path}[${i}]`));
  }
  if (typeof wanted === 'object' && wanted !== null) {
    const fields = (kept ?? {}) as Readonly<Record<string, unknown>>;
    return Object.entries(wanted).flatMap(([name, value]) => missingFrom(fields[name], value, `${path}.${name}`));
  }
  return kept === wanted ? [] : [path];
}

clusterTest('the controller can approve nothing and change no rules', async (t) => {
  for (const where of [{}, { namespace: 'shop' }, { namespace: home }]) {
    await mayExactly(t, account, 'get list watch', 'nanoseg.io/policyapprovals', where);
    await mayExactly(t, account, 'get list watch', 'nanoseg.io/segmentationprofiles', where);
    await mayExactly(t, account, 'get update patch', 'nanoseg.io/policyapprovals/status', where);
    await mayExactly(t, account, 'get update patch', 'nanoseg.io/segmentationprofiles/status', where);
  }
  for (const verb of ['impersonate']) {
    t.false(await may(account, { verb, resource: '/users' }));
    t.false(await may(account, { verb, resource: '/groups' }));
    t.false(await may(account, { verb, resource: '/serviceaccounts' }));
  }
  for (const kind of ['clusterroles', 'clusterrolebindings', 'roles', 'rolebindings']) {
    await mayExactly(t, account, '', `rbac.authorization.k8s.io/${kind}`, { namespace: home });
    t.false(await may(account, { verb: 'escalate', resource: `rbac.authorization.k8s.io/${kind}` }));
    t.false(await may(account, { verb: 'bind', resource: `rbac.authorization.k8s.io/${kind}` }));
  }
});

clusterTest('the controller writes proposals and network policies everywhere', async (t) => {
  const all = 'get list watch create update patch delete';
  await mayExactly(t, account, all, 'networking.k8s.io/networkpolicies', { namespace: 'shop' });
  await mayExactly(t, account, all, 'nanoseg.io/policyproposals', { namespace: 'shop' });
  await mayExactly(t, account, 'get update patch', 'nanoseg.io/policyproposals/status', { namespace: 'shop' });
});

clusterTest('the controller reads who is where, and changes none of it', async (t) => {
  const read = ['/namespaces', '/pods', '/nodes', '/services', '/endpoints', 'discovery.k8s.io/endpointslices'];
  for (const kind of ['deployments', 'replicasets', 'statefulsets', 'daemonsets']) read.push(`apps/${kind}`);
  for (const resource of [...read, 'batch/jobs', 'batch/cronjobs'])
    await mayExactly(t, account, 'get list watch', resource);
  for (const resource of [
    '/pods/exec',
    '/pods/log',
    '/nodes/proxy',
    '/serviceaccounts/token',
    'apps/deployments/scale',
  ]) {
    await mayExactly(t, account, '', resource, { namespace: 'shop' });
  }
  for (const resource of ['/events', 'events.k8s.io/events']) await mayExactly(t, account, 'create patch', resource);
  await mayExactly(t, account, 'create', 'authentication.k8s.io/tokenreviews');
  await mayExactly(t, account, 'create', 'authorization.k8s.io/subjectaccessreviews');
});

clusterTest('the controller may follow every kind that it follows', async (t) => {
  for (const kind of watchedKinds) {
    const place = newestResource(kind);
    const resource = `${groupOfResource(place)}/${place.plural}`;
    for (const verb of ['list', 'watch']) t.true(await may(account, { verb, resource }), `${verb} ${resource}`);
  }
});

clusterTest('the controller reaches no Secret, Lease or ConfigMap but its own', async (t) => {
  await mayExactly(t, account, 'get create update patch', '/secrets', { namespace: home, name: 'nanoseg-keys' });
  await mayExactly(t, account, 'create', '/secrets', { namespace: home, name: 'other' });
  await mayExactly(t, account, 'create', '/secrets', { namespace: home });
  const lease = 'coordination.k8s.io/leases';
  await mayExactly(t, account, 'get create update patch', lease, { namespace: home, name: 'nanoseg-controller' });
  await mayExactly(t, account, 'create', lease, { namespace: home, name: 'other' });
  await mayExactly(t, account, 'get list watch create update patch', '/configmaps', { namespace: home });
  for (const resource of ['/secrets', '/configmaps', lease]) {
    await mayExactly(t, account, '', resource);
    await mayExactly(t, account, '', resource, { namespace: 'shop', name: 'nanoseg-keys' });
    await mayExactly(t, account, '', resource, { namespace: 'kube-system' });
  }
});

clusterTest('of the webhook configurations the controller changes only its own', async (t) => {
  for (const kind of ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations']) {
    const resource = `admissionregistration.k8s.io/${kind}`;
    await mayExactly(t, account, 'get list watch update patch', resource, { name: 'nanoseg-approvals' });
    await mayExactly(t, account, 'get list watch', resource, { name: 'other' });
    await mayExactly(t, account, 'get list watch', resource);
  }
});

clusterTest('an approver decides and edits nothing, an admin edits and decides nothing, a viewer looks', async (t) => {
  const namespace = 'shop';
  await api().createNamespace(namespace);
  await bindRole(api(), 'alice', 'nanoseg-approver', namespace);
  await bindRole(api(), 'bob', 'nanoseg-viewer', namespace);
  await bindRole(api(), 'carol', 'nanoseg-admin', namespace);
  const see = 'get list watch';
  const expected = {
    alice: { policyproposals: see, policyapprovals: `${see} create`, segmentationprofiles: see },
    bob: { policyproposals: see, policyapprovals: see, segmentationprofiles: see },
    carol: {
      policyproposals: `${see} update patch delete`,
      policyapprovals: see,
      segmentationprofiles: `${see} create update patch delete`,
    },
    dave: { policyproposals: '', policyapprovals: '', segmentationprofiles: '' },
  };
  for (const [user, rights] of Object.entries(expected)) {
    for (const [plural, allowed] of Object.entries(rights)) {
      await mayExactly(t, user, allowed, `nanoseg.io/${plural}`, { namespace });
      await mayExactly(t, user, '', `nanoseg.io/${plural}/status`, { namespace });
      await mayExactly(t, user, '', `nanoseg.io/${plural}`, { namespace: 'bank' });
    }
    await mayExactly(t, user, '', '/secrets', { namespace: home });
    await mayExactly(t, user, user === 'dave' ? '' : see, 'networking.k8s.io/networkpolicies', { namespace });
  }
});

clusterTest('only who is bound to the role may push flows, and nothing else comes with it', async (t) => {
  const agent = 'system:serviceaccount:nanoseg-system:agent';
  const mayPush = async (user: string, path: string) => {
    const spec = { user, nonResourceAttributes: { path, verb: 'post' } };
    const reviews = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
    return (await api().request('admin', 'POST', reviews, { spec })).body.status.allowed;
  };
  t.false(await mayPush(agent, '/v1/flows'));
  const binding = {
    metadata: { name: 'agent' },
    roleRef: roleNamed('nanoseg-flow-writer'),
    subjects: [userNamed(agent)],
  };
  await api().request('admin', 'POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', binding);
  // the API server takes a moment to know of a binding
  for (const path of ['/v1/flows', '/v1/metrics']) await eventually(path, () => mayPush(agent, path));
  t.false(await mayPush(agent, '/v1/other'));
  for (const resource of ['/pods', '/secrets', '/configmaps'])
    await mayExactly(t, agent, '', resource, { namespace: home });
});

function roleNamed(name: string) {
  return { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name };
}

function userNamed(name: string) {
  return { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name };
}

clusterTest('only seeing is part of a built-in role', async (t) => {
  const roles = (await installManifests()).filter(({ kind }) => kind === 'ClusterRole');
  const aggregated = roles.filter(({ metadata }) =>
    Object.keys(metadata.labels ?? {}).some((label) => label.includes('/aggregate-to-')),
  );
  t.deepEqual(
    aggregated.map(({ metadata }) => metadata.name),
    ['nanoseg-viewer'],
  );
});

clusterTest(
  'the pods of the controller fit the pod security standard restricted, which their namespace enforces',
  async (t) => {
    const manifests = await installManifests();
    const namespace = manifests.find(({ kind }) => kind === 'Namespace');
    t.is(namespace?.metadata.labels?.['pod-security.kubernetes.io/enforce'], 'restricted');
    const pod = manifests.find(({ kind }) => kind === 'StatefulSet')?.spec.template.spec;
    t.like(pod.securityContext, { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    t.true(pod.securityContext.runAsUser > 0);
    for (const field of ['hostNetwork', 'hostPID', 'hostIPC']) t.is(pod[field], undefined);
    const allowedVolumes = ['configMap', 'emptyDir', 'projected', 'secret', 'downwardAPI', 'persistentVolumeClaim'];
    for (const { name, ...volume } of pod.volumes) t.true(allowedVolumes.includes(Object.keys(volume)[0] ?? ''), name);
    for (const { securityContext } of pod.containers) {
      t.deepEqual(securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
    }
  },
);
