import { clusterFromObjects } from '../controller/adapters/inventory/cluster-from-objects.ts';
import type { Profile } from '../controller/model/profile.ts';
import { indexCluster } from '../controller/policy/evaluate/cluster-index.ts';
import { type ProofWorld, proofWorld } from '../controller/policy/proof-world.ts';
import type { ReadableCluster } from '../controller/view/decision-changes.ts';

/** What a text of policies is looked at in; where the cluster cannot be read, one without any pod. */
export function worldOf(cluster: ReadableCluster, profile: Profile): ProofWorld {
  const known = 'unreadable' in cluster ? clusterFromObjects([]).cluster : cluster;
  return proofWorld(indexCluster(known), known.policies, profile);
}
