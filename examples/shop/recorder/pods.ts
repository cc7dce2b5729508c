import type { LabNode } from './lab.ts';
import type { Labels, PodTemplate, Workload } from './manifests.ts';
import { nameHash } from './names.ts';

interface Owner {
  readonly apiVersion: string;
  readonly kind: 'ReplicaSet' | 'StatefulSet' | 'DaemonSet' | 'Job';
  readonly name: string;
}

/** Who a pod is; fixed before it starts. */
export interface PodIdentity {
  readonly namespace: string;
  readonly name: string;
  /** `namespace/name` of its workload. */
  readonly workload: string;
  readonly owner: Owner;
  readonly labels: Labels;
  readonly template: PodTemplate;
  readonly hostNetwork: boolean;
}

/** A pod of the recording; the last fields change while it lives. */
export interface ShopPod extends PodIdentity {
  readonly node: LabNode;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly startMs: number;
  /** Behind its Services. */
  ready: boolean;
  readyMs: number | undefined;
  /** When its process ended; then its addresses are free again. */
  endMs: number | undefined;
  /** When it was asked to go, as in a rollout. */
  deletedMs: number | undefined;
}

/** The pod with this ordinal of a Deployment, StatefulSet or DaemonSet; `revision` changes with every rollout. */
export function replicaOf(workload: Workload, ordinal: number, revision: number): PodIdentity {
  const { namespace, name, kind, template } = workload;
  const hash = nameHash(`${namespace}/${name}/${revision}`, 10);
  const suffix = nameHash(`${namespace}/${name}/${revision}/${ordinal}`, 5);
  const identity = (podName: string, owner: Owner, labels: Labels): PodIdentity => ({
    namespace,
    name: podName,
    workload: `${namespace}/${name}`,
    owner,
    labels: { ...template.metadata.labels, ...labels },
    template,
    hostNetwork: template.spec.hostNetwork ?? false,
  });
  switch (kind) {
    case 'Deployment':
      return identity(
        `${name}-${hash}-${suffix}`,
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${name}-${hash}` },
        { 'pod-template-hash': hash },
      );
    case 'StatefulSet':
      return identity(
        `${name}-${ordinal}`,
        { apiVersion: 'apps/v1', kind, name },
        {
          'apps.kubernetes.io/pod-index': String(ordinal),
          'controller-revision-hash': `${name}-${hash}`,
          'statefulset.kubernetes.io/pod-name': `${name}-${ordinal}`,
        },
      );
    case 'DaemonSet':
      return identity(
        `${name}-${suffix}`,
        { apiVersion: 'apps/v1', kind, name },
        { 'controller-revision-hash': hash, 'pod-template-generation': '1' },
      );
    case 'CronJob':
      throw new Error(`${namespace}/${name}: a CronJob has runs, no replicas`);
  }
}

/** The pod of a CronJob's run in this minute (minutes since 1970, as the CronJob controller names its Jobs). */
export function runOf({ namespace, name, template }: Workload, minute: number, uid: string): PodIdentity {
  const job = `${name}-${minute}`;
  return {
    namespace,
    name: `${job}-${nameHash(`${namespace}/${job}`, 5)}`,
    workload: `${namespace}/${name}`,
    owner: { apiVersion: 'batch/v1', kind: 'Job', name: job },
    labels: {
      ...template.metadata.labels,
      'batch.kubernetes.io/controller-uid': uid,
      'batch.kubernetes.io/job-name': job,
      'controller-uid': uid,
      'job-name': job,
    },
    template,
    hostNetwork: false,
  };
}
