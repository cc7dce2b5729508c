import type { Labels } from '../../../controller/model/label-selector.ts';
import type { PolicyProtocol } from '../../../controller/model/protocol.ts';
import type { WorkloadKey } from '../../../controller/model/workload.ts';

/**
 * What somebody deployed and who legitimately talks to whom, without any pod name, address or time: the part of a world
 * that a rollout does not change.
 */
export interface WorldPlan {
  readonly traits: WorldTraits;
  readonly days: number;
  readonly workers: number;
  readonly namespaces: readonly PlannedNamespace[];
  readonly workloads: readonly PlannedWorkload[];
  readonly connections: readonly PlannedConnection[];
  readonly attempts: readonly PlannedAttempt[];
}

export interface WorldTraits {
  readonly dualStack: boolean;
  /** API server before 1.21: no kubernetes.io/metadata.name on namespaces, but a `name` label of the cluster's own. */
  readonly oldNamespaces: boolean;
  /** Two workloads of one namespace whose labels nothing tells apart. */
  readonly indistinguishable: boolean;
  /** A Job and a CronJob without any label of their own. */
  readonly unlabelled: boolean;
  /** A custom resource that owns ReplicaSets and is itself not in the dump. */
  readonly customOwner: boolean;
  /** Workloads rolled out anew inside the window, so that addresses change hands. */
  readonly redeploys: boolean;
  /** Denied scans, stolen tokens and the like. */
  readonly attacks: boolean;
}

export interface PlannedNamespace {
  readonly name: string;
  readonly labels: Labels;
}

export type PlannedKind = 'Deployment' | 'StatefulSet' | 'DaemonSet' | 'CronJob' | 'Job' | 'Pod' | 'Rollout';

export interface PlannedPort {
  readonly number: number;
  readonly name: string | undefined;
  readonly protocol: PolicyProtocol;
}

export interface PlannedWorkload {
  readonly key: WorkloadKey;
  readonly namespace: string;
  readonly kind: PlannedKind;
  readonly name: string;
  readonly replicas: number;
  readonly hostNetwork: boolean;
  /** matchLabels of the owner; undefined for Jobs, CronJobs and bare pods. */
  readonly selector: Labels | undefined;
  readonly templateLabels: Labels;
  readonly annotations: Labels;
  readonly ports: readonly PlannedPort[];
  /** Undefined: the namespace's default account. */
  readonly serviceAccount: string | undefined;
  readonly schedule: PlannedSchedule | undefined;
  readonly service: PlannedService | undefined;
  /** Called by the API server as an admission webhook on its first port. */
  readonly webhook: boolean;
}

export interface PlannedSchedule {
  readonly expression: string;
  /** Runs as minutes since the start of the window (a Monday, 00:00 UTC). */
  readonly runs: readonly number[];
}

export interface PlannedService {
  readonly name: string;
  readonly type: 'ClusterIP' | 'LoadBalancer' | 'NodePort';
  readonly headless: boolean;
  readonly externalTrafficPolicy: 'Cluster' | 'Local';
  readonly ports: readonly PlannedServicePort[];
}

export interface PlannedServicePort {
  readonly name: string;
  readonly port: number;
  readonly targetPort: number | string;
  /** What targetPort means on the pods. */
  readonly podPort: number;
  readonly protocol: PolicyProtocol;
}

export type Party =
  | { readonly kind: 'workload'; readonly key: WorkloadKey }
  /** Some node: a hostNetwork pod, a client hidden by SNAT, the API server calling a webhook. */
  | { readonly kind: 'node' }
  /** The node that the pod itself runs on: its kubelet. */
  | { readonly kind: 'own-node' }
  | { readonly kind: 'apiserver' }
  | { readonly kind: 'external'; readonly address: string }
  /** Any external client: these addresses are the ones that were seen. */
  | { readonly kind: 'world'; readonly addresses: readonly string[] };

export interface PlannedConnection {
  readonly source: Party;
  readonly destination: Party;
  readonly protocol: PolicyProtocol;
  /** The destination's own port. */
  readonly port: number;
  /** Whether clients use the Service's address or the pods' own. */
  readonly viaService: boolean;
  /** Mean number of connections a day; a CronJob or Job opens it in every run instead. */
  readonly perDay: number;
}

export type AttemptKind =
  | 'denied-scan'
  | 'unanswered-scan'
  | 'metadata-service'
  | 'kubelet-port'
  | 'stolen-token'
  | 'single-replica';

/** Traffic that happened and that nobody wants: never to be allowed. */
export interface PlannedAttempt {
  readonly kind: AttemptKind;
  readonly source: Party;
  readonly destination: Party;
  readonly protocol: PolicyProtocol;
  readonly port: number;
}
