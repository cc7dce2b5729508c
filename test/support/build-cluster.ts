import { cidrSetOf, noAddresses } from '../../controller/model/cidr.ts';
import type { Cluster, Namespace, Pod } from '../../controller/model/cluster.ts';
import type { Labels, LabelSelector } from '../../controller/model/label-selector.ts';
import { type Workload, type WorkloadKey, workloadKey } from '../../controller/model/workload.ts';

/** What a test says of a workload; everything else is what a plain Deployment has. */
export interface WorkloadSpec extends Partial<Omit<Workload, 'key' | 'namespace' | 'kind' | 'name' | 'selector'>> {
  readonly namespace?: string;
  readonly kind?: string;
  readonly name: string;
  /** Labels of the pods; also the selector where none is given. */
  readonly labels: Labels;
  /** `undefined` given on purpose: an owner without a selector. */
  readonly selector?: LabelSelector | undefined;
  /** Pods of their own; without any the workload has one virtual pod. */
  readonly pods?: readonly Partial<Pod>[];
}

export function buildWorkload(spec: WorkloadSpec): Workload {
  const { namespace = 'shop', kind = 'Deployment', name, labels, pods: _pods, ...rest } = spec;
  return {
    podLabels: labels,
    podAnnotations: {},
    containerPorts: [],
    hostNetwork: false,
    serviceAccount: 'default',
    mountsApiToken: true,
    replicas: 1,
    schedule: undefined,
    origin: 'test',
    ...rest,
    namespace,
    kind,
    name,
    key: workloadKey({ namespace, kind, name }),
    selector: 'selector' in spec ? spec.selector : { matchLabels: labels },
  };
}

/** A cluster of these workloads, whose namespaces carry the label that the API server sets. */
export function buildCluster(specs: readonly WorkloadSpec[], parts: Partial<Cluster> = {}): Cluster {
  const workloads = specs.map(buildWorkload);
  const pods = specs.flatMap((spec, i) => buildPods(workloads[i] as Workload, spec));
  const namespaces = new Map<string, Namespace>();
  for (const { namespace } of workloads) {
    namespaces.set(namespace, { name: namespace, labels: { 'kubernetes.io/metadata.name': namespace } });
  }
  return {
    namespaces,
    workloads: new Map(workloads.map((workload) => [workload.key, workload])),
    pods,
    nodes: [],
    services: [],
    policies: [],
    webhooks: [],
    exposures: [],
    apiServer: { ips: [], port: undefined },
    cidrs: {
      pods: cidrSetOf('10.244.0.0/16'),
      services: cidrSetOf('10.96.0.0/16'),
      nodes: noAddresses,
      complete: true,
    },
    ...parts,
  };
}

function buildPods(workload: Workload, { pods }: WorkloadSpec): Pod[] {
  const template: Pod = {
    namespace: workload.namespace,
    name: workload.name,
    workload: workload.key,
    labels: workload.podLabels,
    containerPorts: workload.containerPorts,
    ips: [],
    node: undefined,
    hostNetwork: workload.hostNetwork,
    phase: 'Running',
    startMs: undefined,
    endMs: undefined,
    virtual: true,
  };
  if (!pods) return [template];
  return pods.map((pod, i) => ({ ...template, virtual: false, name: `${workload.name}-${i}`, ...pod }));
}

/** `shop/cart` is the Deployment cart in shop; `shop/StatefulSet/db` says another kind. */
export function keyOf(text: string): WorkloadKey {
  const [namespace = '', kind = '', name] = text.split('/');
  return name === undefined
    ? workloadKey({ namespace, kind: 'Deployment', name: kind })
    : workloadKey({ namespace, kind, name });
}
