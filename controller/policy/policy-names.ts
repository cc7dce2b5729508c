import type { Cluster } from '../model/cluster.ts';
import { objectName } from '../model/object-name.ts';
import type { Workload, WorkloadKey } from '../model/workload.ts';

/** What the name of every policy of nanoseg begins with. */
export const policyNamePrefix = 'nanoseg-';

/** The policy of a whole namespace that denies what no other policy allows. */
export const defaultDenyName = `${policyNamePrefix}default-deny`;

/** What the name of a policy that lets a new workload talk freely begins with. */
export const learningNamePrefix = `${policyNamePrefix}learning-`;

/**
 * `nanoseg-<workload>`, with the kind where another workload of the namespace has the same name. No two policies have one
 * name: where that would come to the name of another, or to one that has a meaning of its own, it ends in a hash.
 */
export function policyNames({ workloads }: Pick<Cluster, 'workloads'>): ReadonlyMap<WorkloadKey, string> {
  const bearers = counts(workloads.values().map(({ namespace, name }) => `${namespace}/${name}`));
  const plain = ({ namespace, kind, name }: Workload) =>
    bearers.get(`${namespace}/${name}`) === 1
      ? objectName('nanoseg', name)
      : objectName('nanoseg', name, kind.toLowerCase());
  const taken = counts(workloads.values().map((workload) => `${workload.namespace}/${plain(workload)}`));
  const nameOf = (workload: Workload): string => {
    const name = plain(workload);
    const alone = taken.get(`${workload.namespace}/${name}`) === 1;
    return alone && !isReservedName(name) ? name : objectName('nanoseg-workload', `${workload.name}/${workload.kind}`);
  };
  return new Map(workloads.values().map((workload) => [workload.key, nameOf(workload)]));
}

/** Names that are no workload's: the default-deny of a namespace, and learning allowances. */
export function isReservedName(name: string): boolean {
  return name === defaultDenyName || name.startsWith(learningNamePrefix);
}

function counts(texts: Iterable<string>): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const text of texts) found.set(text, (found.get(text) ?? 0) + 1);
  return found;
}
