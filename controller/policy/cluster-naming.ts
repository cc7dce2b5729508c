import type { Cluster } from '../model/cluster.ts';
import type { WorkloadKey } from '../model/workload.ts';
import { chooseSelector, type NamespaceLabel, type SelectorChoice, uniqueNamespaceLabel } from './choose-selector.ts';
import { type Infrastructure, infrastructure } from './infrastructure.ts';
import { policyNames } from './policy-names.ts';
import { selectionIndex } from './selection-index.ts';

/** How everything in a cluster is named in policies: the same for every profile and whatever was seen. */
export interface ClusterNaming {
  readonly cluster: Cluster;
  readonly infrastructure: Infrastructure;
  readonly choiceOf: (workload: WorkloadKey) => SelectorChoice;
  readonly namespaceLabelOf: (namespace: string) => NamespaceLabel | undefined;
  /** The name of the policy of each workload. */
  readonly policyNames: ReadonlyMap<WorkloadKey, string>;
}

/** Make it once for a cluster: selectors are chosen as they are asked for, and kept. */
export function clusterNaming(cluster: Cluster): ClusterNaming {
  const index = selectionIndex(cluster);
  const choices = new Map<WorkloadKey, SelectorChoice>();
  const namespaceLabels = new Map(
    cluster.namespaces
      .values()
      .map((namespace) => [namespace.name, uniqueNamespaceLabel(namespace, cluster.namespaces)]),
  );
  return {
    cluster,
    infrastructure: infrastructure(cluster),
    choiceOf: (key) => {
      const known = choices.get(key);
      if (known) return known;
      const workload = cluster.workloads.get(key);
      const choice = workload ? chooseSelector(workload, index) : { kind: 'none' as const };
      choices.set(key, choice);
      return choice;
    },
    namespaceLabelOf: (name) => namespaceLabels.get(name),
    policyNames: policyNames(cluster),
  };
}
