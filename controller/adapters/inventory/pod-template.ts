import type { Labels } from '../../model/label-selector.ts';
import type { ContainerPort } from '../../model/workload.ts';
import type { PodSpecFields, PodTemplateFields } from './object-schemas.ts';
import { readAnnotations } from './read-annotations.ts';

/** What a pod's specification says about it as a party to traffic. */
export interface PodShape {
  readonly labels: Labels;
  /** Only those that nanoseg reads. */
  readonly annotations: Labels;
  readonly containerPorts: readonly ContainerPort[];
  readonly hostPorts: readonly ContainerPort[];
  readonly hostNetwork: boolean;
  readonly serviceAccount: string;
  readonly mountsApiToken: boolean;
}

export function shapeOfTemplate({ metadata, spec }: PodTemplateFields): PodShape {
  return podShape(metadata?.labels ?? {}, metadata?.annotations ?? {}, spec);
}

export function podShape(labels: Labels, annotations: Labels, spec: PodSpecFields): PodShape {
  // An init container that always restarts is a sidecar: it listens as long as the others.
  const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  const ports = [...spec.containers, ...sidecars].flatMap((container) => container.ports ?? []);
  return {
    labels,
    annotations: readAnnotations(annotations),
    containerPorts: ports.map(({ name, containerPort, protocol }) => ({
      name: name || undefined,
      port: containerPort,
      protocol: protocol ?? 'TCP',
    })),
    hostPorts: ports
      .filter(({ hostPort }) => (hostPort ?? 0) > 0)
      .map(({ name, containerPort, protocol }) => ({
        name: name || undefined,
        port: containerPort,
        protocol: protocol ?? 'TCP',
      })),
    hostNetwork: spec.hostNetwork ?? false,
    serviceAccount: spec.serviceAccountName || 'default',
    mountsApiToken: spec.automountServiceAccountToken ?? true,
  };
}
