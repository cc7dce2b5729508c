import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { load, loadAll } from 'js-yaml';
import type { KubeApi } from './kube-api.ts';

/** A manifest as it is written, of any kind. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly resourceVersion?: string;
  };
  // oxlint-disable-next-line typescript/no-explicit-any -- looked at by assertions
  readonly [field: string]: any;
}

export const installDirectory = fileURLToPath(new URL('../../examples/install/', import.meta.url));
const establishedWithinMs = 20_000;

/** Everything that `kubectl apply -k examples/install` sends, in its order, without kubectl. */
export async function installManifests(directory = installDirectory): Promise<Manifest[]> {
  const { resources } = load(await readFile(join(directory, 'kustomization.yaml'), 'utf8')) as { resources: string[] };
  const read = async (name: string): Promise<Manifest[]> =>
    name.endsWith('.yaml')
      ? (loadAll(await readFile(join(directory, name), 'utf8')) as Manifest[])
      : installManifests(join(directory, name));
  return (await Promise.all(resources.map(read))).flat();
}

/**
 * Installs what a controller outside of the cluster needs: custom resources, the namespace `nanoseg-system`, the rights
 * and roles of examples/install. The user `controller` gets exactly the rights of the service account. With `webhook`
 * also the webhook configurations: from then on no approval can be created until the webhook serves.
 */
export async function installForTest(api: KubeApi, options: { readonly webhook?: boolean } = {}): Promise<void> {
  const wanted = new Set(['CustomResourceDefinition', 'Namespace', 'ServiceAccount', 'ClusterRole', 'Role']);
  for (const kind of ['ClusterRoleBinding', 'RoleBinding']) wanted.add(kind);
  if (options.webhook === true) {
    for (const kind of ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration']) wanted.add(kind);
  }
  const manifests = (await installManifests()).filter(({ kind }) => wanted.has(kind));
  for (const manifest of manifests) {
    const { status, body } = await api.request('admin', 'POST', pathOf(manifest), forController(manifest));
    if (status !== 201) throw new Error(`${manifest.kind} ${manifest.metadata.name}: ${JSON.stringify(body)}`);
  }
  await resourcesServed(api);
}

/** Resolves when the API server serves all of nanoseg's resources. */
export async function resourcesServed(api: KubeApi): Promise<void> {
  const deadline = Date.now() + establishedWithinMs;
  for (const plural of ['policyproposals', 'policyapprovals', 'segmentationprofiles']) {
    const path = `/apis/nanoseg.io/v1alpha1/${plural}`;
    while ((await api.request('admin', 'GET', path)).status !== 200) {
      if (Date.now() > deadline) throw new Error(`the server does not serve ${plural}`);
      await sleep(50);
    }
  }
}

/** Binds one of nanoseg's roles to a user: in that namespace, or everywhere. */
export async function bindRole(
  api: KubeApi,
  user: string,
  role: 'nanoseg-viewer' | 'nanoseg-approver' | 'nanoseg-admin',
  namespace?: string,
): Promise<void> {
  const kind = namespace === undefined ? 'ClusterRoleBinding' : 'RoleBinding';
  const manifest: Manifest = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind,
    metadata: { name: `${role}-${user}`, ...(namespace === undefined ? {} : { namespace }) },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: [userSubject(user)],
  };
  const { status, body } = await api.request('admin', 'POST', pathOf(manifest), manifest);
  if (status !== 201) throw new Error(`${role} is not bound to ${user}: ${JSON.stringify(body)}`);
}

function forController(manifest: Manifest): Manifest {
  if (!manifest.kind.endsWith('RoleBinding')) return manifest;
  return { ...manifest, subjects: [...manifest.subjects, userSubject('controller')] };
}

function userSubject(name: string): object {
  return { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name };
}

function pathOf({ apiVersion, kind, metadata }: Manifest): string {
  const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const inside = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`;
  return `${group}${inside}/${kind.toLowerCase()}s`;
}
