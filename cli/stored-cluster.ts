import { clusterFromObjects } from '../controller/adapters/inventory/cluster-from-objects.ts';
import { isRecord, type LocatedObject } from '../controller/adapters/inventory/located-object.ts';
import { ClusterError } from '../controller/model/cluster-error.ts';
import type { KubernetesObject } from '../controller/model/kubernetes-object.ts';
import type { ObjectStore } from '../controller/ports.ts';
import type { ReadableCluster } from '../controller/view/decision-changes.ts';

/** Kinds that say who talks to whom; `needed`: without it no answer about connectivity would be true. */
const kinds = [
  { kind: 'Namespace', needed: true },
  { kind: 'Deployment', needed: true },
  { kind: 'ReplicaSet', needed: true },
  { kind: 'StatefulSet', needed: true },
  { kind: 'DaemonSet', needed: true },
  { kind: 'Job', needed: true },
  { kind: 'CronJob', needed: true },
  { kind: 'Pod', needed: true },
  { kind: 'NetworkPolicy', needed: true },
  { kind: 'Node', needed: false },
] as const;

/** The cluster as it is now, or what the user may not read of it. */
export async function storedCluster(store: ObjectStore): Promise<ReadableCluster> {
  const located: LocatedObject[] = [];
  for (const { kind, needed } of kinds) {
    try {
      for (const object of await store.list(kind)) located.push(locatedObject(object, kind));
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error;
      if (needed) return { unreadable: error.message };
    }
  }
  return clusterFromObjects(located).cluster;
}

function locatedObject(object: KubernetesObject, kind: string): LocatedObject {
  const { namespace = '', name } = object.metadata;
  return {
    apiVersion: object.apiVersion,
    kind,
    namespace,
    name,
    body: isRecord(object) ? object : {},
    where: `${namespace}/${kind}/${name}`,
  };
}
