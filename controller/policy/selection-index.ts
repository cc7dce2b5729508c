import type { Cluster } from '../model/cluster.ts';
import { type Labels, type LabelSelector, matchesSelector } from '../model/label-selector.ts';
import type { WorkloadKey } from '../model/workload.ts';

/** Which workloads a label selector meets in a namespace, for synthesis; the evaluator has its own, on purpose. */
export interface SelectionIndex {
  /** Workloads of the namespace of which at least one pod (or the next one made of the template) is selected, sorted. */
  touched(namespace: string, selector: LabelSelector): readonly WorkloadKey[];
  /** Whether every pod of the workload, and the next one made of its template, is selected. */
  covers(workload: WorkloadKey, selector: LabelSelector): boolean;
}

interface Variant {
  readonly workload: WorkloadKey;
  readonly labels: Labels;
}

export function selectionIndex(cluster: Cluster): SelectionIndex {
  const variants = new Map<WorkloadKey, Map<string, Variant>>();
  const add = (workload: WorkloadKey, labels: Labels) => {
    let known = variants.get(workload);
    if (!known) variants.set(workload, (known = new Map()));
    const key = JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
    if (!known.has(key)) known.set(key, { workload, labels });
  };
  for (const { key, podLabels } of cluster.workloads.values()) add(key, podLabels);
  for (const { workload, labels, phase } of cluster.pods) {
    if (phase !== 'Succeeded' && phase !== 'Failed' && cluster.workloads.has(workload)) add(workload, labels);
  }

  const byNamespace = new Map<string, Variant[]>();
  const byLabel = new Map<string, Variant[]>();
  for (const [workload, known] of variants) {
    const { namespace } = cluster.workloads.get(workload) as { namespace: string };
    for (const variant of known.values()) {
      append(byNamespace, namespace, variant);
      for (const [key, value] of Object.entries(variant.labels))
        append(byLabel, `${namespace} ${key}=${value}`, variant);
    }
  }

  /** The fewest variants that can hold everything that the selector selects. */
  const candidates = (namespace: string, { matchLabels = {}, matchExpressions = [] }: LabelSelector) => {
    let fewest = byNamespace.get(namespace) ?? [];
    const consider = (found: readonly Variant[]) => {
      if (found.length < fewest.length) fewest = [...found];
    };
    for (const [key, value] of Object.entries(matchLabels)) consider(byLabel.get(`${namespace} ${key}=${value}`) ?? []);
    for (const { key, operator, values = [] } of matchExpressions) {
      if (operator === 'In') consider(values.flatMap((value) => byLabel.get(`${namespace} ${key}=${value}`) ?? []));
    }
    return fewest;
  };

  return {
    touched(namespace, selector) {
      const met = new Set<WorkloadKey>();
      for (const { workload, labels } of candidates(namespace, selector)) {
        if (!met.has(workload) && matchesSelector(selector, labels)) met.add(workload);
      }
      return [...met].sort();
    },
    covers(workload, selector) {
      const known = variants.get(workload);
      return known !== undefined && known.values().every(({ labels }) => matchesSelector(selector, labels));
    },
  };
}

function append<V>(map: Map<string, V[]>, key: string, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}
