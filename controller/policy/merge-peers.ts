import type { LabelSelector } from '../model/label-selector.ts';
import type { WorkloadKey } from '../model/workload.ts';
import { canonicalSelector } from './choose-selector.ts';

/** Pods that one selector selects exactly, in one namespace. */
export interface PodGroup {
  readonly namespace: string;
  readonly selector: LabelSelector;
  /** Exactly the workloads that it selects, sorted. */
  readonly workloads: readonly WorkloadKey[];
}

/** Pods that one selector selects exactly in each of several namespaces. */
export interface PodGroups {
  readonly namespaces: readonly string[];
  readonly selector: LabelSelector;
  readonly workloads: readonly WorkloadKey[];
}

/**
 * Joins groups that differ in the value of one label only into one selector with `In`. As each of them selects exactly
 * its own workloads, the joined selector selects exactly their union; nothing else in the namespace can match it.
 */
export function mergePodGroups(groups: readonly PodGroup[]): PodGroup[] {
  let merged = groups.toSorted((a, b) => compareGroups(a, b));
  for (;;) {
    const best = widestFamily(merged);
    if (!best) return merged.sort(compareGroups);
    const { key, members } = best;
    const values = members.map(({ selector }) => selector.matchLabels?.[key] as string);
    const { [key]: _joined, ...rest } = members[0]?.selector.matchLabels ?? {};
    const group: PodGroup = {
      namespace: members[0]?.namespace as string,
      selector: canonicalSelector({ matchLabels: rest, matchExpressions: [{ key, operator: 'In', values }] }),
      workloads: members.flatMap(({ workloads }) => workloads).sort(),
    };
    merged = [...merged.filter((other) => !members.includes(other)), group];
  }
}

/** The largest set of groups that are alike but for one label's value; ties go to the first by label and selector. */
function widestFamily(groups: readonly PodGroup[]): { key: string; members: readonly PodGroup[] } | undefined {
  const families = new Map<string, { key: string; members: PodGroup[] }>();
  for (const group of groups) {
    if (group.selector.matchExpressions !== undefined) continue;
    const labels = Object.entries(group.selector.matchLabels ?? {});
    for (const [key] of labels) {
      const rest = labels.filter(([other]) => other !== key);
      const id = JSON.stringify([group.namespace, key, rest]);
      const family = families.get(id);
      if (family) family.members.push(group);
      else families.set(id, { key, members: [group] });
    }
  }
  let best: { id: string; key: string; members: PodGroup[] } | undefined;
  for (const [id, { key, members }] of families) {
    const most = best?.members.length ?? 1;
    if (members.length > most || (best && members.length === most && id < best.id)) best = { id, key, members };
  }
  return best;
}

/**
 * Joins groups with the very same selector in several namespaces: each selects exactly its own workloads there, so that
 * the selector in all those namespaces selects exactly the union. The `apart` namespace (the policy's own) stays alone.
 */
export function mergeNamespaces(groups: readonly PodGroup[], apart: string): PodGroups[] {
  const families = new Map<string | PodGroup, PodGroup[]>();
  for (const group of groups) {
    const id = group.namespace === apart ? group : textOf(group.selector);
    const family = families.get(id);
    if (family) family.push(group);
    else families.set(id, [group]);
  }
  return families
    .values()
    .map((family) => {
      const [first] = family as [PodGroup, ...PodGroup[]];
      return {
        namespaces: family.map(({ namespace }) => namespace).sort(),
        selector: first.selector,
        workloads: family.length === 1 ? first.workloads : family.flatMap(({ workloads }) => workloads).sort(),
      };
    })
    .toArray();
}

const selectorTexts = new WeakMap<LabelSelector, string>();

/** The chosen selector of a workload comes back with every workload that it talks to. */
function textOf(selector: LabelSelector): string {
  let text = selectorTexts.get(selector);
  if (text === undefined) selectorTexts.set(selector, (text = JSON.stringify(selector)));
  return text;
}

function compareGroups(a: PodGroup, b: PodGroup): number {
  return compareText(a.namespace, b.namespace) || compareText(a.workloads[0] ?? '', b.workloads[0] ?? '');
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
