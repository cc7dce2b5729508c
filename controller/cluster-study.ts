import type { Cluster } from './model/cluster.ts';
import type { Profile } from './model/profile.ts';
import { type ClusterNaming, clusterNaming } from './policy/cluster-naming.ts';
import { type ClusterIndex, indexCluster } from './policy/evaluate/cluster-index.ts';
import { proofWorld, type ProofWorld } from './policy/proof-world.ts';

/** What every look at one cluster shares, whatever was seen in it; made once for a value of the cluster. */
export interface ClusterStudy {
  readonly cluster: Cluster;
  readonly index: ClusterIndex;
  readonly naming: ClusterNaming;
  /** The same value for equal profiles. */
  worldOf(profile: Profile): ProofWorld;
}

/** The parts of a cluster that its policies do not touch. */
const lasting = [
  'namespaces',
  'workloads',
  'pods',
  'nodes',
  'services',
  'webhooks',
  'exposures',
  'apiServer',
  'cidrs',
] as const satisfies readonly (keyof Cluster)[];

/** With the `former` study of a cluster that differs in its policies alone, nothing of the cluster is indexed again. */
export function clusterStudy(cluster: Cluster, former?: ClusterStudy): ClusterStudy {
  const same = former !== undefined && lasting.every((part) => former.cluster[part] === cluster[part]);
  const index = same ? { ...former.index, cluster } : indexCluster(cluster);
  const naming = same ? { ...former.naming, cluster } : clusterNaming(cluster);
  const worlds = new Map<string, ProofWorld>();
  return {
    cluster,
    index,
    naming,
    worldOf(profile) {
      const key = profileKey(profile);
      let world = worlds.get(key);
      if (!world) worlds.set(key, (world = proofWorld(index, cluster.policies, profile)));
      return world;
    },
  };
}

const keys = new WeakMap<Profile, string>();

/** One text for equal profiles, whose values are made anew for every namespace. */
export function profileKey(profile: Profile): string {
  let key = keys.get(profile);
  if (key === undefined) {
    key = JSON.stringify(profile, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));
    keys.set(profile, key);
  }
  return key;
}
