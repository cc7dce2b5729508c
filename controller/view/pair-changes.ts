import type { Cluster } from '../model/cluster.ts';
import type { NetworkPolicy } from '../model/network-policy.ts';
import type { CniName } from '../model/profile.ts';
import { cniProfile } from '../policy/cni-profiles.ts';
import { indexCluster } from '../policy/evaluate/cluster-index.ts';
import { compilePolicies } from '../policy/evaluate/compile-policies.ts';
import type { PairDifference } from '../policy/evaluate/difference.ts';
import { evaluator } from '../policy/evaluate/evaluator.ts';

/**
 * What may talk and what may not any more once `proposed` are in force beside everything else that is there; `replaced`
 * are the names, in `namespace`, of the policies that they take the place of.
 */
export function pairChanges(
  cluster: Cluster,
  namespace: string,
  replaced: readonly string[],
  proposed: readonly NetworkPolicy[],
  cni: CniName,
): PairDifference[] {
  const names = new Set([...replaced, ...proposed.map(({ metadata }) => metadata.name)]);
  const staying = cluster.policies.filter(
    ({ metadata }) => metadata.namespace !== namespace || !names.has(metadata.name),
  );
  const index = indexCluster(cluster);
  const under = (policies: readonly NetworkPolicy[]) =>
    evaluator(index, compilePolicies(index, policies), cniProfile(cni, index.cluster));
  return [...under([...staying, ...proposed]).differenceFrom(under(cluster.policies))];
}
