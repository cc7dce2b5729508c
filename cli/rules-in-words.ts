import { clusterFromObjects } from '../controller/adapters/inventory/cluster-from-objects.ts';
import type { Cluster } from '../controller/model/cluster.ts';
import type { Profile } from '../controller/model/profile.ts';
import { indexCluster } from '../controller/policy/evaluate/cluster-index.ts';
import { type ProofWorld, proofWorld } from '../controller/policy/proof-world.ts';
import { ruleWordsOf } from '../controller/policy/proposal-words.ts';
import { proposedPolicies } from './proposed-policies.ts';

/** A cluster, or what of it the user may not read. */
export type ReadableCluster = Cluster | { readonly unreadable: string };

/** What a text of policies is looked at in; where the cluster cannot be read, one without any pod. */
export function worldOf(cluster: ReadableCluster, profile: Profile): ProofWorld {
  const known = 'unreadable' in cluster ? clusterFromObjects([]).cluster : cluster;
  return proofWorld(indexCluster(known), known.policies, profile);
}

/**
 * The rules of a text of policies in words, from what they mean: comments in the text may say anything, and are no part of
 * what is approved. What cannot be read is said instead.
 */
export function rulesInWords(text: string, namespace: string, cluster: ReadableCluster, world: ProofWorld): string[] {
  const { policies, problems } = proposedPolicies(text, 'the proposal', namespace);
  if (problems.length > 0) return problems.map(({ message }) => message);
  const lines = ruleWordsOf(policies, world).map(({ policy, words }) =>
    policies.length === 1 ? words : `${policy}: ${words}`,
  );
  // of a cluster that cannot be read nobody knows which pods there are today
  return 'unreadable' in cluster ? lines.map((line) => line.replaceAll(' (none today)', '')) : lines;
}
