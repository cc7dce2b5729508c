import { ConfigMapAuditLog } from '../../controller/adapters/audit/config-map-audit-log.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import type { ObjectMeta, ObjectRef } from '../../controller/model/kubernetes-object.ts';
import type { ObjectStore } from '../../controller/ports.ts';
import { approvalNamed } from './approval-webhook.ts';
import type { WorldBackend } from './controller-world.ts';
import { bindRole, installForTest } from './install-for-test.ts';
import type { KubeApi, KubeUser } from './kube-api.ts';

const probe = { namespace: 'nanoseg-system' };

/** Where each kind is that these tests write. */
const paths: Readonly<Record<string, readonly [group: string, plural: string]>> = {
  Pod: ['/api/v1', 'pods'],
  Deployment: ['/apis/apps/v1', 'deployments'],
  ReplicaSet: ['/apis/apps/v1', 'replicasets'],
  SegmentationProfile: ['/apis/nanoseg.io/v1alpha1', 'segmentationprofiles'],
  NetworkPolicy: ['/apis/networking.k8s.io/v1', 'networkpolicies'],
};

/** Kinds that the controller writes and that nothing else changes. */
const written = ['PolicyProposal', 'PolicyApproval', 'SegmentationProfile', 'NetworkPolicy', 'ConfigMap', 'Secret'];

/** A real API server with nanoseg installed; alice, bob and carol may approve. `dataDirectory` is the controller's. */
export async function kubeBackend(api: KubeApi, dataDirectory: string): Promise<WorldBackend> {
  await installForTest(api, { webhook: true });
  for (const user of ['alice', 'bob', 'carol']) await bindRole(api, user, 'nanoseg-approver');
  const stores = new Map<string, ObjectStore>();
  const storeOf = (user: string): ObjectStore => {
    const store = stores.get(user) ?? api.storeOf(user as KubeUser);
    stores.set(user, store);
    return store;
  };
  const send = async (method: string, path: string, body?: unknown, type?: string) => {
    const reply = await api.request('admin', method, path, body, type);
    if (reply.status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(reply.body)}`);
    return reply.body;
  };
  const pathOf = ({ kind, namespace, name }: ObjectRef) => {
    const [group, plural] = paths[kind] ?? [];
    if (group === undefined) throw new RangeError(`no path for ${kind}`);
    return {
      all: `${group}/namespaces/${namespace}/${plural}`,
      one: `${group}/namespaces/${namespace}/${plural}/${name}`,
    };
  };
  const policyPath = (namespace: string, name: string) => pathOf({ kind: 'NetworkPolicy', namespace, name });
  return {
    store: api.asAdmin,
    stamps: true,
    config: {
      kubeconfig: api.kubeconfig('controller'),
      dataDirectory,
      webhook: { port: 0, host: '127.0.0.1', url: 'https://127.0.0.1:0' },
    },
    makeNamespace: (namespace, labels) => api.createNamespace(namespace, labels),
    put: async (object) => {
      const { namespace = '', name } = object.metadata;
      const { all, one } = pathOf({ kind: object.kind, namespace, name });
      for (let tries = 0; ; tries++) {
        const there = await api.request('admin', 'GET', one);
        const { resourceVersion } = there.status === 200 ? there.body.metadata : {};
        const wanted = { ...object, metadata: { ...object.metadata, resourceVersion } };
        const written = await (resourceVersion === undefined
          ? api.request('admin', 'POST', all, object)
          : api.request('admin', 'PUT', one, wanted));
        // the controller may write in between
        if (written.status === 409 && tries < 20) continue;
        if (written.status >= 300) throw new Error(`${one}: ${JSON.stringify(written.body)}`);
        if ('status' in object) await send('PUT', `${one}/status`, { ...written.body, status: object.status });
        return;
      }
    },
    take: async (ref) => {
      await send('DELETE', pathOf(ref).one, { gracePeriodSeconds: 0 });
    },
    writeForeignPolicy: async (policy) => {
      const { namespace, name } = policy.metadata;
      await send('POST', `${policyPath(namespace, name).all}?fieldManager=somebody`, policy);
    },
    editPolicy: async (policy) => {
      const { resourceVersion: _, ...metadata } = policy.metadata as ObjectMeta;
      const { namespace, name } = policy.metadata;
      const edited = { ...policy, metadata };
      await send('PUT', `${policyPath(namespace, name).one}?fieldManager=kubectl-edit`, edited);
    },
    canDecide: async () => {
      const path = '/apis/nanoseg.io/v1alpha1/namespaces/nanoseg-system/policyapprovals?dryRun=All';
      const { status, body } = await api.request('alice', 'POST', path, approvalNamed('probe', probe));
      return status === 201 && body.spec.stamp !== undefined;
    },
    decide: (user, approval) => storeOf(user).create(approval),
    audit: () =>
      new ConfigMapAuditLog({
        store: api.asAdmin,
        namespace: 'nanoseg-system',
        clock: systemClock,
        random: Math.random,
      }).entries(),
    versions: async () => {
      const found = new Map<string, string>();
      for (const kind of written) {
        for (const { metadata } of await api.asAdmin.list(kind)) {
          found.set(`${metadata.namespace}/${kind}/${metadata.name}`, metadata.resourceVersion ?? '');
        }
      }
      return found;
    },
  };
}
