import type { Labels, LabelSelector } from './label-selector.ts';
import type { PolicyProtocol } from './protocol.ts';

declare const workloadKeyBrand: unique symbol;

/** `namespace/Kind/name`, minted by `workloadKey` alone. */
export type WorkloadKey = string & { readonly [workloadKeyBrand]: true };

export interface WorkloadRef {
  readonly namespace: string;
  /** The owner's kind as its manifest spells it: Deployment, StatefulSet, CronJob, Rollout, Pod, … */
  readonly kind: string;
  readonly name: string;
}

export function workloadKey({ namespace, kind, name }: WorkloadRef): WorkloadKey {
  return `${namespace}/${kind}/${name}` as WorkloadKey;
}

export function parseWorkloadKey(key: WorkloadKey): WorkloadRef {
  const kind = key.indexOf('/') + 1;
  const name = key.indexOf('/', kind) + 1;
  return { namespace: key.slice(0, kind - 1), kind: key.slice(kind, name - 1), name: key.slice(name) };
}

export interface ContainerPort {
  readonly name: string | undefined;
  readonly port: number;
  readonly protocol: PolicyProtocol;
}

/** When a CronJob runs, as its manifest says. */
export interface CronSchedule {
  readonly expression: string;
  readonly timeZone: string | undefined;
  readonly suspended: boolean;
}

/** The owner at the root of a pod's owner chain, with what policies need to know of it. */
export interface Workload extends WorkloadRef {
  readonly key: WorkloadKey;
  /** The owner's own `.spec.selector`; undefined for Jobs, CronJobs, bare pods and owners known by name only. */
  readonly selector: LabelSelector | undefined;
  /**
   * Labels that every pod of it has now and after its next rollout: the pod template's, or where there is no template
   * what all its pods have in common; never a generated one (pod-template-hash, job-name, …).
   */
  readonly podLabels: Labels;
  readonly podAnnotations: Labels;
  readonly containerPorts: readonly ContainerPort[];
  readonly hostNetwork: boolean;
  /** `spec.serviceAccountName` of its pods; `default` when not set. */
  readonly serviceAccount: string;
  /** False when the pod template switches off the mounting of an API token. */
  readonly mountsApiToken: boolean;
  /** Replicas that the owner asks for; undefined where it does not say (DaemonSet, CronJob, custom owners). */
  readonly replicas: number | undefined;
  /** Only for CronJobs. */
  readonly schedule: CronSchedule | undefined;
  /** `file:line` or the like of the manifest that it was read from; empty when it is known from its pods only. */
  readonly origin: string;
}
