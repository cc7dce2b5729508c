import { parseProfile } from '../controller/adapters/resources/parse-resources.ts';
import { resolveProfile } from '../controller/adapters/resources/profile-layer.ts';
import type { KubernetesObject } from '../controller/model/kubernetes-object.ts';
import type { Problem } from '../controller/model/problem.ts';
import type { Profile, ProfileStatus } from '../controller/model/profile.ts';
import type { ObjectStore } from '../controller/ports.ts';
import { whatMayBeRead } from './permitted.ts';
import { stopReason } from './stop-annotation.ts';

/** A SegmentationProfile as it is stored. */
export interface StoredProfile extends KubernetesObject {
  readonly spec?: unknown;
  readonly status?: ProfileStatus;
}

/** The profile in force for a namespace. */
export interface EffectiveProfile {
  readonly profile: Profile;
  /** `namespace/name` of the SegmentationProfile that is nearest, or `built-in`. */
  readonly origin: string;
  /** What makes it unusable: then the namespace is only observed. */
  readonly problems: readonly Problem[];
  /** Why nothing is written in the namespace at the moment (the kill switch), as far as the user may read it. */
  readonly stopped: string | undefined;
}

/** The SegmentationProfile that counts in a namespace, which is the one called `default`. */
export function storedProfile(store: ObjectStore, namespace: string): Promise<StoredProfile | undefined> {
  return store.get<StoredProfile>({ kind: 'SegmentationProfile', namespace, name: 'default' });
}

export async function effectiveProfile(
  store: ObjectStore,
  namespace: string,
  systemNamespace: string,
): Promise<EffectiveProfile> {
  const [cluster, own, object] = await Promise.all([
    storedProfile(store, systemNamespace),
    namespace === systemNamespace ? undefined : storedProfile(store, namespace),
    whatMayBeRead(store.get({ kind: 'Namespace', namespace: '', name: namespace }), undefined),
  ]);
  return profileFrom(cluster, own, object);
}

/** The profile that the cluster's own and a namespace's make together, with the switches on it and on the Namespace. */
export function profileFrom(
  cluster: StoredProfile | undefined,
  own: StoredProfile | undefined,
  namespace: KubernetesObject | undefined,
): EffectiveProfile {
  const clusterLayer = cluster ? parseProfile(cluster, 'Cluster') : {};
  const ownLayer = own ? parseProfile(own, 'Namespace') : {};
  const nearest = own ?? cluster;
  const origin = nearest ? `${nearest.metadata.namespace ?? ''}/${nearest.metadata.name}` : 'built-in';
  const stopped = stopReason(cluster) ?? stopReason(namespace);
  if (Array.isArray(clusterLayer) || Array.isArray(ownLayer)) {
    const problems = [clusterLayer, ownLayer].flatMap((layer) => (Array.isArray(layer) ? layer : []));
    return { profile: { ...resolveProfile(), mode: 'observe' }, origin, problems, stopped };
  }
  return { profile: resolveProfile(clusterLayer, ownLayer), origin, problems: [], stopped };
}
