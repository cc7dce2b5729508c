import { type Cluster, differsInPoliciesAlone } from '../model/cluster.ts';
import type { NetworkPolicy } from '../model/network-policy.ts';
import type { Profile } from '../model/profile.ts';
import { type ClusterNaming, clusterNaming } from '../policy/cluster-naming.ts';
import { type ClusterIndex, indexCluster } from '../policy/evaluate/cluster-index.ts';
import { isManaged, proofWorld, type ProofWorld } from '../policy/proof-world.ts';

/** What every look at one cluster shares, whatever was seen in it; made once for a value of the cluster. */
export interface ClusterStudy {
  readonly cluster: Cluster;
  readonly index: ClusterIndex;
  readonly naming: ClusterNaming;
  /** The same value while nothing differs but nanoseg's own policies: what it would propose and prove does not either. */
  readonly ground: Ground;
  /** The same value for equal profiles. */
  worldOf(profile: Profile): ProofWorld;
}

/** With the `former` study of a cluster that differs in its policies alone, nothing of the cluster is indexed again. */
export function clusterStudy(cluster: Cluster, former?: ClusterStudy): ClusterStudy {
  const same = former !== undefined && differsInPoliciesAlone(former.cluster, cluster);
  const index = same ? { ...former.index, cluster } : indexCluster(cluster);
  const naming = same ? { ...former.naming, cluster } : clusterNaming(cluster);
  const ground = same && former.ground.holdsFor(cluster) ? former.ground : new Ground(cluster);
  const worlds = new Map<string, ProofWorld>();
  return {
    cluster,
    index,
    naming,
    ground,
    worldOf(profile) {
      const key = profileKey(profile);
      let world = worlds.get(key);
      if (!world) worlds.set(key, (world = { ...ground.worldOf(index, profile), index }));
      return world;
    },
  };
}

/** The policies that people wrote, and the worlds of proofs that are made with them. */
class Ground {
  readonly #policies: readonly NetworkPolicy[];
  readonly #worlds = new Map<string, ProofWorld>();

  constructor({ policies }: Cluster) {
    this.#policies = notOurs(policies);
  }

  holdsFor({ policies }: Cluster): boolean {
    const others = notOurs(policies);
    return others.length === this.#policies.length && others.every((policy, i) => policy === this.#policies[i]);
  }

  worldOf(index: ClusterIndex, profile: Profile): ProofWorld {
    const key = profileKey(profile);
    let world = this.#worlds.get(key);
    if (!world) this.#worlds.set(key, (world = proofWorld(index, this.#policies, profile)));
    return world;
  }
}

function notOurs(policies: readonly NetworkPolicy[]): NetworkPolicy[] {
  return policies.filter(({ metadata }) => !isManaged(metadata.labels ?? {}));
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
