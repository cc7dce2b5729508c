import { groupOf, type LocatedObject } from './located-object.ts';

/** Kinds that allow or deny traffic beside NetworkPolicy, by their API group. Staged and audited kinds do neither. */
const enforcing: Readonly<Record<string, readonly string[]>> = {
  'cilium.io': ['CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy'],
  'projectcalico.org': ['NetworkPolicy', 'GlobalNetworkPolicy'],
  'crd.projectcalico.org': ['NetworkPolicy', 'GlobalNetworkPolicy'],
  'policy.networking.k8s.io': ['AdminNetworkPolicy', 'BaselineAdminNetworkPolicy', 'ClusterNetworkPolicy'],
  'crd.antrea.io': ['NetworkPolicy', 'ClusterNetworkPolicy'],
};

/** Policies of other APIs, which nobody here judges: how many of each, by `Kind (group)`, ascending. */
export function otherPoliciesIn(objects: readonly LocatedObject[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { apiVersion, kind } of objects) {
    const group = groupOf(apiVersion);
    if (!Object.hasOwn(enforcing, group) || !enforcing[group]?.includes(kind)) continue;
    const name = `${kind} (${group})`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}
