import type { Namespace } from '../model/cluster.ts';
import { type Labels, type LabelSelector, selectsEverything } from '../model/label-selector.ts';
import type { Workload, WorkloadKey } from '../model/workload.ts';
import { identityLabels, volatileLabels } from './guardrails.ts';
import type { SelectionIndex } from './selection-index.ts';

/** How a workload can be named in a policy. */
export type SelectorChoice =
  /** Selects exactly this workload. */
  | { readonly kind: 'exact'; readonly selector: LabelSelector }
  /** The narrowest that there is; it also selects the other workloads of `selects`, which is sorted and holds this one. */
  | { readonly kind: 'shared'; readonly selector: LabelSelector; readonly selects: readonly WorkloadKey[] }
  /** Its pods have no stable label at all. */
  | { readonly kind: 'none' };

/**
 * Chooses the selector of a workload: its own `.spec.selector`, else its template's stable labels; while that selects
 * other workloads too, template labels are added, the ones that shut out most first.
 */
export function chooseSelector(workload: Workload, index: SelectionIndex): SelectorChoice {
  const own = ownSelector(workload);
  if (own === undefined || selectsEverything(own)) return { kind: 'none' };
  if (!index.covers(workload.key, own)) return { kind: 'none' };
  let selector = own;
  let selects = index.touched(workload.namespace, selector);
  const addable = spareLabels(workload, own);
  while (selects.length > 1) {
    let best: { selector: LabelSelector; selects: readonly WorkloadKey[] } | undefined;
    for (const [key, value] of addable) {
      if (Object.hasOwn(selector.matchLabels ?? {}, key)) continue;
      const narrower: LabelSelector = { ...selector, matchLabels: { ...selector.matchLabels, [key]: value } };
      const met = index.touched(workload.namespace, narrower);
      if (met.length < (best?.selects ?? selects).length && index.covers(workload.key, narrower)) {
        best = { selector: narrower, selects: met };
      }
    }
    if (!best) return { kind: 'shared', selector: canonicalSelector(selector), selects };
    ({ selector, selects } = best);
  }
  return { kind: 'exact', selector: canonicalSelector(selector) };
}

/** The owner's selector, or all template labels but those that change with every release (unless there are no others). */
function ownSelector({ selector, podLabels }: Workload): LabelSelector | undefined {
  if (selector !== undefined) return selector;
  const lasting = Object.entries(podLabels).filter(([key]) => !volatileLabels.includes(key));
  const labels = lasting.length > 0 ? lasting : Object.entries(podLabels);
  return labels.length > 0 ? { matchLabels: Object.fromEntries(labels) } : undefined;
}

/** Template labels that the selector does not hold yet, the most telling first and those that change often last. */
function spareLabels({ podLabels }: Workload, own: LabelSelector): readonly (readonly [string, string])[] {
  const rank = (key: string) => {
    if (volatileLabels.includes(key)) return identityLabels.length + 1;
    const place = identityLabels.indexOf(key);
    return place < 0 ? identityLabels.length : place;
  };
  return Object.entries(podLabels)
    .filter(([key]) => !Object.hasOwn(own.matchLabels ?? {}, key))
    .sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

/** The same selector with sorted keys and values and without empty parts, so that its YAML never changes by itself. */
export function canonicalSelector({ matchLabels = {}, matchExpressions = [] }: LabelSelector): LabelSelector {
  const labels = Object.entries(matchLabels).sort(([a], [b]) => (a < b ? -1 : 1));
  const expressions = matchExpressions
    .map(({ key, operator, values }) => ({ key, operator, ...(values && { values: [...new Set(values)].sort() }) }))
    .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  return {
    ...(labels.length > 0 && { matchLabels: Object.fromEntries(labels) }),
    ...(expressions.length > 0 && { matchExpressions: expressions }),
  };
}

export type NamespaceLabel = readonly [key: string, value: string];

export const namespaceNameLabel = 'kubernetes.io/metadata.name';

/**
 * A label that only this namespace has: the one that the API server sets to its name, else on old servers the first
 * label of its own that no other namespace shares. Undefined: it cannot be told apart.
 */
export function uniqueNamespaceLabel(
  { name, labels }: Namespace,
  all: ReadonlyMap<string, Namespace>,
): NamespaceLabel | undefined {
  const alone = (key: string, value: string) =>
    all.values().every((other) => other.name === name || other.labels[key] !== value);
  if (labels[namespaceNameLabel] === name && alone(namespaceNameLabel, name)) return [namespaceNameLabel, name];
  return sortedLabels(labels).find(([key, value]) => alone(key, value));
}

function sortedLabels(labels: Labels): [string, string][] {
  return Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
}
