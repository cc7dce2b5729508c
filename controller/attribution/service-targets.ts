import type { Pod, Service, ServicePort } from '../model/cluster.ts';
import { type Labels, matchesSelector } from '../model/label-selector.ts';
import type { WorkloadKey } from '../model/workload.ts';

/** Where one port of a Service leads: a workload's own port, or an address that no pod of the inventory has. */
type ServiceTarget =
  | { readonly kind: 'workload'; readonly workload: WorkloadKey; readonly port: number }
  | { readonly kind: 'address'; readonly address: string; readonly port: number };

export type FindServiceTargets = (service: Service, port: ServicePort) => readonly ServiceTarget[];

/**
 * Tells what stands behind a Service's port, each target once: its EndpointSlices say so, else its selector over the pods
 * that have not ended, with a named target port resolved on each of them (a pod without that name is no target).
 */
export function serviceTargetFinder(pods: readonly Pod[]): FindServiceTargets {
  const byNamespace = Map.groupBy(pods, ({ namespace }) => namespace);
  const directories = new Map<string, Directory>();
  const directoryOf = (namespace: string): Directory => {
    const known = directories.get(namespace);
    if (known) return known;
    const directory = directoryOfPods(byNamespace.get(namespace) ?? []);
    directories.set(namespace, directory);
    return directory;
  };
  return (service, port) => {
    if (service.backends.length > 0) return fromBackends(service, port, directoryOf);
    const { selector } = service;
    if (selector === undefined) return [];
    return distinct(
      directoryOf(service.namespace)
        .candidates(selector)
        .filter((pod) => matchesSelector({ matchLabels: selector }, pod.labels))
        .flatMap((pod) => {
          const number = podPort(pod, port);
          return number === undefined ? [] : [{ kind: 'workload', workload: pod.workload, port: number } as const];
        }),
    );
  };
}

function fromBackends(
  { namespace, backends }: Service,
  { name, protocol }: ServicePort,
  directoryOf: (namespace: string) => Directory,
): ServiceTarget[] {
  const serving = backends.filter((backend) => backend.portName === name && backend.protocol === protocol);
  return distinct(
    serving.map(({ pod, ip, port }) => {
      const workload = pod
        ? directoryOf(pod.namespace).byName.get(pod.name)?.workload
        : directoryOf(namespace).byAddress.get(ip)?.workload;
      return workload === undefined ? { kind: 'address', address: ip, port } : { kind: 'workload', workload, port };
    }),
  );
}

function distinct(targets: readonly ServiceTarget[]): ServiceTarget[] {
  const seen = new Map<string, ServiceTarget>();
  for (const target of targets) {
    seen.set(`${target.kind === 'workload' ? target.workload : target.address} ${target.port}`, target);
  }
  return [...seen.values()];
}

function podPort(pod: Pod, { targetPort, protocol }: ServicePort): number | undefined {
  if (typeof targetPort === 'number') return targetPort;
  return pod.containerPorts.find((port) => port.name === targetPort && port.protocol === protocol)?.port;
}

/** The pods of one namespace that have not ended, ready to be asked for. */
interface Directory {
  readonly byName: ReadonlyMap<string, Pod>;
  readonly byAddress: ReadonlyMap<string, Pod>;
  /** At least every pod that carries all of these labels. */
  readonly candidates: (labels: Labels) => readonly Pod[];
}

function directoryOfPods(all: readonly Pod[]): Directory {
  const pods = all.filter(({ endMs }) => endMs === undefined);
  const byLabel = new Map<string, Map<string, Pod[]>>();
  for (const pod of pods) {
    for (const [key, value] of Object.entries(pod.labels)) {
      const values = byLabel.get(key) ?? new Map<string, Pod[]>();
      byLabel.set(key, values);
      const carriers = values.get(value);
      if (carriers) carriers.push(pod);
      else values.set(value, [pod]);
    }
  }
  return {
    byName: new Map(pods.map((pod) => [pod.name, pod])),
    byAddress: new Map(
      pods.filter((pod) => !pod.hostNetwork).flatMap((pod) => pod.ips.map((ip) => [ip, pod] as const)),
    ),
    candidates: (labels) => {
      const lists = Object.entries(labels).map(([key, value]) => byLabel.get(key)?.get(value) ?? []);
      return lists.reduce((fewest, list) => (list.length < fewest.length ? list : fewest), lists[0] ?? []);
    },
  };
}
