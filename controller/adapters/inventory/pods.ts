import type { Pod } from '../../model/cluster.ts';
import type { Problem } from '../../model/problem.ts';
import { type WorkloadRef, workloadKey } from '../../model/workload.ts';
import { ownerIn } from './controllers.ts';
import type { LocatedObject } from './located-object.ts';
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

/** Every pod of the inventory, its interval of life and its addresses (those of the node, for hostNetwork). */
export function readPods(
  objects: readonly LocatedObject[],
  findRoot: FindRoot,
  nodeIps: ReadonlyMap<string, readonly string[]>,
  problems: Problem[],
): readonly PodReading[] {
  const readings: PodReading[] = [];
  for (const object of objects) {
    if (object.kind !== 'Pod' || object.apiVersion !== 'v1') continue;
    const fields = readFields(podFields, object, problems);
    if (!fields) continue;
    const { metadata, spec, status } = fields;
    const { namespace, name, where } = object;
    const labels = metadata.labels ?? {};
    const root = findRoot(ownerIn(namespace, metadata) ?? { namespace, kind: 'Pod', name }, labels);
    const shape = podShape(labels, metadata.annotations ?? {}, spec);
    const node = spec.nodeName || undefined;
    const own = addressesOf(status);
    const startMs = status?.startTime ?? metadata.creationTimestamp ?? undefined;
    const pod: Pod = {
      namespace,
      name,
      workload: workloadKey(root),
      labels,
      containerPorts: shape.containerPorts,
      ips: shape.hostNetwork && own.length === 0 && node !== undefined ? (nodeIps.get(node) ?? []) : own,
      node,
      hostNetwork: shape.hostNetwork,
      phase: status?.phase ?? 'Pending',
      ready: readyIn(status),
      startMs,
      endMs: endOf(fields, startMs),
      virtual: false,
    };
    readings.push({ pod, root, shape, where });
  }
  return endedBySuccessors(readings);
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
