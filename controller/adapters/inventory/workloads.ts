import type { Pod } from '../../model/cluster.ts';
import { withoutGeneratedLabels } from '../../model/generated-labels.ts';
import type { Labels } from '../../model/label-selector.ts';
import {
  type ContainerPort,
  type Workload,
  type WorkloadKey,
  type WorkloadRef,
  workloadKey,
} from '../../model/workload.ts';
import type { Controller } from './controllers.ts';
import type { PodShape } from './pod-template.ts';
import type { PodReading } from './pods.ts';
import type { FindRoot } from './root-owner.ts';

/**
 * The owners at the roots of all chains. One that is in the inventory is described by its template; one that is known by
 * name only by what its pods, and the templates of the owners between, have in common.
 */
export function workloadsOf(
  controllers: ReadonlyMap<WorkloadKey, Controller>,
  pods: readonly PodReading[],
  findRoot: FindRoot,
): ReadonlyMap<WorkloadKey, Workload> {
  const workloads = new Map<WorkloadKey, Workload>();
  const known = new Map<WorkloadKey, { readonly ref: WorkloadRef; readonly shapes: PodShape[]; origin: string }>();
  const member = (ref: WorkloadRef, shape: PodShape, origin: string) => {
    const key = workloadKey(ref);
    const members = known.get(key);
    if (members === undefined) known.set(key, { ref, shapes: [shape], origin });
    else members.shapes.push(shape);
  };
  for (const controller of controllers.values()) {
    const { ref, runs } = controller;
    const key = workloadKey(ref);
    const root = findRoot(ref, controller.template?.labels ?? {});
    const template = controller.template ?? (runs && controllers.get(workloadKey(runs))?.template);
    if (workloadKey(root) !== key) {
      if (template && !controllers.has(workloadKey(root))) member(root, template, '');
    } else if (template) {
      const selector = controller.selector ?? (runs && controllers.get(workloadKey(runs))?.selector);
      workloads.set(key, {
        ...described(ref, [template], controller.where),
        selector,
        replicas: controller.replicas,
        schedule: controller.schedule,
      });
    }
  }
  for (const { pod, root, shape, where } of pods) {
    if (workloads.has(pod.workload)) continue;
    const bare = root.kind === 'Pod';
    member(root, bare ? shape : { ...shape, labels: withoutOwnName(shape.labels, pod.name) }, bare ? where : '');
  }
  for (const [key, { ref, shapes, origin }] of known) {
    if (!workloads.has(key)) workloads.set(key, described(ref, shapes, origin));
  }
  return new Map([...workloads].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A label that repeats the pod's name tells one replica from the others, even where only one is known. */
function withoutOwnName(labels: Labels, name: string): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== name));
}

function described(ref: WorkloadRef, shapes: readonly PodShape[], origin: string): Workload {
  const ports = new Map<string, ContainerPort>();
  for (const { containerPorts } of shapes) {
    for (const port of containerPorts) ports.set(`${port.protocol}/${port.port}/${port.name ?? ''}`, port);
  }
  const [first] = shapes;
  return {
    ...ref,
    key: workloadKey(ref),
    selector: undefined,
    podLabels: withoutGeneratedLabels(shared(shapes.map(({ labels }) => labels))),
    podAnnotations: shared(shapes.map(({ annotations }) => annotations)),
    containerPorts: [...ports.values()],
    hostNetwork: shapes.every(({ hostNetwork }) => hostNetwork),
    serviceAccount: first?.serviceAccount ?? 'default',
    mountsApiToken: shapes.some(({ mountsApiToken }) => mountsApiToken),
    replicas: undefined,
    schedule: undefined,
    origin,
  };
}

function shared(all: readonly Labels[]): Labels {
  const [first = {}, ...others] = all;
  return Object.fromEntries(
    Object.entries(first).filter(([key, value]) =>
      others.every((labels) => Object.hasOwn(labels, key) && labels[key] === value),
    ),
  );
}

/** The pod that a workload would have, where the inventory has none: with its labels and ports, without addresses. */
export function virtualPod({ namespace, name, key, podLabels, containerPorts, hostNetwork }: Workload): Pod {
  return {
    namespace,
    name,
    workload: key,
    labels: podLabels,
    containerPorts,
    ips: [],
    node: undefined,
    hostNetwork,
    phase: 'Running',
    startMs: undefined,
    endMs: undefined,
    virtual: true,
  };
}
