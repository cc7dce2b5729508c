import type { Pod } from '../../model/cluster.ts';
import type { Problem } from '../../model/problem.ts';
import { type WorkloadKey, type WorkloadRef, workloadKey } from '../../model/workload.ts';
import { ownerIn } from './controllers.ts';
import { type LocatedObject, remembered } from './located-object.ts';
import { type PodFields, podFields } from './object-schemas.ts';
import { type PodShape, podShape } from './pod-template.ts';
import { readFields } from './read-fields.ts';
import type { FindRoot } from './root-owner.ts';

/** A pod object with what its workload is made of. */
export interface PodReading {
  readonly pod: Pod;
  readonly root: WorkloadRef;
  readonly shape: PodShape;
  readonly where: string;
}

/** A pod that is not in the inventory any more, and when that was seen, in ms since 1970. */
export interface GonePod {
  readonly object: LocatedObject;
  readonly goneMs: number;
}

/** Every pod of the inventory, its interval of life and its addresses (those of the node, for hostNetwork). */
export function readPods(
  objects: readonly LocatedObject[],
  findRoot: FindRoot,
  nodeIps: NodeAddresses,
  problems: Problem[],
): readonly PodReading[] {
  return endedBySuccessors(
    objects.flatMap((object) => {
      if (object.kind !== 'Pod' || object.apiVersion !== 'v1') return [];
      const fields = readFields(podFields, object, problems);
      return fields ? [readingOf(object, fields, findRoot, nodeIps)] : [];
    }),
  );
}

/**
 * Pods that are gone, so that flows which come late find them: with the owner and the addresses that they had when they
 * were last read, and as ended when that was seen, or when they were to be deleted if that was before.
 */
export function readGonePods(gone: readonly GonePod[], findRoot: FindRoot, nodeIps: NodeAddresses): readonly Pod[] {
  return gone.flatMap(({ object, goneMs }) => {
    const fields = readFields(podFields, object, []);
    if (!fields) return [];
    return [
      remembered(object, readGonePods, () => {
        const last = object.memory?.get(readPods) as LastReading | undefined;
        const { pod } = last?.reading ?? readingOf(object, fields, findRoot, nodeIps);
        const endMs = Math.min(pod.endMs ?? goneMs, fields.metadata.deletionTimestamp ?? goneMs, goneMs);
        const finished = pod.phase === 'Succeeded' || pod.phase === 'Failed';
        return { ...pod, phase: finished ? pod.phase : 'Succeeded', ready: false, endMs } as const;
      }),
    ];
  });
}

/** The addresses of nodes, by name. */
type NodeAddresses = ReadonlyMap<string, readonly string[]>;

/** What a reading hangs on beside the object itself. */
interface LastReading {
  readonly workload: WorkloadKey;
  readonly hostIps: readonly string[] | undefined;
  readonly reading: PodReading;
}

function readingOf(object: LocatedObject, fields: PodFields, findRoot: FindRoot, nodeIps: NodeAddresses): PodReading {
  const { namespace, name, memory } = object;
  const { metadata, spec } = fields;
  const labels = metadata.labels ?? {};
  const root = findRoot(ownerIn(namespace, metadata) ?? { namespace, kind: 'Pod', name }, labels);
  const workload = workloadKey(root);
  const hostIps = spec.hostNetwork ? nodeIps.get(spec.nodeName ?? '') : undefined;
  const last = memory?.get(readPods) as LastReading | undefined;
  if (last !== undefined && last.workload === workload && last.hostIps === hostIps) return last.reading;
  const reading = podReading(object, fields, root, hostIps);
  memory?.set(readPods, { workload, hostIps, reading } satisfies LastReading);
  return reading;
}

function podReading(
  { namespace, name, where }: LocatedObject,
  fields: PodFields,
  root: WorkloadRef,
  hostIps: readonly string[] | undefined,
): PodReading {
  const { metadata, spec, status } = fields;
  const labels = metadata.labels ?? {};
  const shape = podShape(labels, metadata.annotations ?? {}, spec);
  const own = addressesOf(status);
  const startMs = status?.startTime ?? metadata.creationTimestamp ?? undefined;
  const pod: Pod = {
    namespace,
    name,
    workload: workloadKey(root),
    labels,
    containerPorts: shape.containerPorts,
    ips: shape.hostNetwork && own.length === 0 ? (hostIps ?? []) : own,
    node: spec.nodeName || undefined,
    hostNetwork: shape.hostNetwork,
    phase: status?.phase ?? 'Pending',
    ready: readyIn(status),
    ...(typeof metadata.deletionTimestamp === 'number' && { terminating: true }),
    startMs,
    endMs: endOf(fields, startMs),
    virtual: false,
  };
  return { pod, root, shape, where };
}

function addressesOf(status: PodFields['status']): readonly string[] {
  const listed = (status?.podIPs ?? []).map(({ ip }) => ip);
  return [...new Set([status?.podIP, ...listed].flatMap((ip) => (ip ? [ip] : [])))];
}

function readyIn(status: PodFields['status']): boolean | undefined {
  const said = (status?.conditions ?? []).find(({ type }) => type === 'Ready')?.status;
  return said === 'True' ? true : said === 'False' ? false : undefined;
}

/**
 * When its addresses were free again. A finished pod keeps them on the object although others may have them by now; one
 * that does not say when it finished owned them for no time that we could vouch for. A terminating pod still has them.
 */
function endOf({ metadata, status }: PodFields, startMs: number | undefined): number | undefined {
  if (status?.phase !== 'Succeeded' && status?.phase !== 'Failed') return undefined;
  const finished = (status.containerStatuses ?? [])
    .map(({ state }) => state?.terminated?.finishedAt)
    .filter((ms) => typeof ms === 'number');
  if (finished.length > 0) return Math.max(...finished);
  return metadata.deletionTimestamp ?? startMs ?? 0;
}

/** Two pods of one name cannot live at once: where dumps of several times hold both, the later one ended the earlier. */
function endedBySuccessors(readings: readonly PodReading[]): readonly PodReading[] {
  const byName = Map.groupBy(readings, ({ pod }) => `${pod.namespace}/${pod.name}`);
  if (byName.size === readings.length) return readings;
  const ended: PodReading[] = [];
  for (const same of byName.values()) {
    const inOrder = same.toSorted((a, b) => (a.pod.startMs ?? 0) - (b.pod.startMs ?? 0));
    for (const [i, reading] of inOrder.entries()) {
      const nextMs = inOrder[i + 1]?.pod.startMs;
      const endMs = nextMs === undefined ? reading.pod.endMs : Math.min(reading.pod.endMs ?? nextMs, nextMs);
      ended.push({ ...reading, pod: { ...reading.pod, endMs } });
    }
  }
  return ended;
}
