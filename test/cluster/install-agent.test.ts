import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { load, loadAll } from 'js-yaml';
import { clusterTest, kubeApiOfFile } from '../support/cluster-test.ts';
import { eventually } from '../support/recording-sink.ts';
import { installDirectory, installManifests, type Manifest } from '../support/install-for-test.ts';

const api = kubeApiOfFile();
const account = 'system:serviceaccount:nanoseg-system:nanoseg-agent';
const directory = join(installDirectory, 'agent');

async function manifestsOf(file: string): Promise<Manifest[]> {
  return loadAll(await readFile(join(directory, file), 'utf8')) as Manifest[];
}

async function daemonSet(): Promise<Manifest> {
  const found = (await manifestsOf('agent.yaml')).find(({ kind }) => kind === 'DaemonSet');
  if (found === undefined) throw new Error('there is no DaemonSet');
  return found;
}

async function may(attributes: object): Promise<boolean> {
  const review = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    spec: { user: account, groups: ['system:serviceaccounts', 'system:authenticated'], ...attributes },
  };
  const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
  const { body } = await api().request('admin', 'POST', path, review);
  return body.status.allowed;
}

clusterTest('the agent may deliver flows, and nothing else', async (t) => {
  const wanted = new Set([
    'Namespace',
    'ServiceAccount',
    'ClusterRole',
    'ClusterRoleBinding',
    'PriorityClass',
    'DaemonSet',
  ]);
  const base = (await installManifests()).filter(({ kind }) => wanted.has(kind));
  const items = [...base, ...(await manifestsOf('agent.yaml'))];
  const applied = await api().kubectlApply('admin', JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  t.is(applied.code, 0, applied.err);
  // the server learns of a new binding a moment after it has stored it
  await eventually(() => may({ nonResourceAttributes: { path: '/v1/flows', verb: 'post' } }), 'it may deliver flows');
  t.false(await may({ nonResourceAttributes: { path: '/v1/flows', verb: 'get' } }));
  t.false(await may({ nonResourceAttributes: { path: '/metrics', verb: 'get' } }));
  for (const [group, resource] of [
    ['', 'pods'],
    ['', 'secrets'],
    ['', 'nodes'],
    ['nanoseg.io', 'policyapprovals'],
  ]) {
    for (const verb of ['get', 'list', 'create', 'update', 'delete']) {
      t.false(
        await may({ resourceAttributes: { verb, group, resource, namespace: 'nanoseg-system' } }),
        `${verb} ${resource}`,
      );
    }
  }
});

clusterTest('of the rights over its node the agent has NET_ADMIN alone', async (t) => {
  const { spec } = (await daemonSet()).spec.template;
  t.true(spec.hostNetwork);
  t.falsy(spec.hostPID);
  t.falsy(spec.hostIPC);
  t.is(spec.containers.length, 1);
  t.deepEqual(spec.containers[0].securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] },
  });
  t.deepEqual(
    spec.volumes.map((volume: object) => Object.keys(volume).filter((key) => key !== 'name')),
    [['configMap']],
  );
  t.deepEqual(spec.tolerations, [{ operator: 'Exists' }]);
});

clusterTest(
  'it delivers to the Service of the installation, with the authority that the controller publishes',
  async (t) => {
    const [container] = (await daemonSet()).spec.template.spec.containers;
    const flows = (await installManifests()).find(
      ({ kind, metadata }) => kind === 'Service' && metadata.name === 'nanoseg-flows',
    );
    const [port] = flows?.spec.ports ?? [];
    t.true(container.args.includes(`--to=https://nanoseg-flows.nanoseg-system.svc:${port?.port}`));
    t.is(flows?.spec.clusterIP, 'None');
    t.is((await daemonSet()).spec.template.spec.volumes[0].configMap.name, 'nanoseg-ca');
  },
);

clusterTest(
  'as a component it relaxes the namespace that the installation makes, and nothing else of it',
  async (t) => {
    const component = load(await readFile(join(directory, 'kustomization.yaml'), 'utf8')) as Record<string, unknown>;
    t.deepEqual(component['resources'], ['agent.yaml']);
    t.deepEqual(component['patchesStrategicMerge'], ['namespace-patch.yaml']);
    const [patch] = await manifestsOf('namespace-patch.yaml');
    const base = (await installManifests()).find(({ kind }) => kind === 'Namespace');
    t.is(patch?.metadata.name, base?.metadata.name);
    t.deepEqual(Object.keys(patch ?? {}), ['apiVersion', 'kind', 'metadata']);
  },
);
