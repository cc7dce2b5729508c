import { parseProfile } from '../controller/adapters/resources/parse-resources.ts';
import { resolveProfile } from '../controller/adapters/resources/profile-layer.ts';
import type { KubernetesObject } from '../controller/model/kubernetes-object.ts';
import type { Problem } from '../controller/model/problem.ts';
import type { Mode, Profile, ProfileStatus } from '../controller/model/profile.ts';
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
  /** Unknown: the cluster's profile would say it, and the user may not read that. */
  readonly mode: Mode | 'unknown';
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
    whatMayBeRead(storedProfile(store, systemNamespace), 'unreadable'),
    namespace === systemNamespace ? undefined : storedProfile(store, namespace),
    whatMayBeRead(store.get({ kind: 'Namespace', namespace: '', name: namespace }), undefined),
  ]);
  return profileFrom(cluster, own, object);
}

/** The profile that the cluster's own and a namespace's make together, with the switches on it and on the Namespace. */
export function profileFrom(
  cluster: StoredProfile | 'unreadable' | undefined,
  own: StoredProfile | undefined,
  namespace: KubernetesObject | undefined,
): EffectiveProfile {
  const readable = cluster === 'unreadable' ? undefined : cluster;
  const clusterLayer = readable ? parseProfile(readable, 'Cluster') : {};
  const ownLayer = own ? parseProfile(own, 'Namespace') : {};
  const nearest = own ?? readable;
  const origin = nearest ? `${nearest.metadata.namespace ?? ''}/${nearest.metadata.name}` : 'built-in';
  const stopped = stopReason(readable) ?? stopReason(namespace);
  if (Array.isArray(clusterLayer) || Array.isArray(ownLayer)) {
    const problems = [clusterLayer, ownLayer].flatMap((layer) => (Array.isArray(layer) ? layer : []));
    return { profile: resolveProfile(), mode: 'observe', origin, problems, stopped };
  }
  const profile = resolveProfile(clusterLayer, ownLayer);
  const mode = cluster === 'unreadable' && ownLayer.mode === undefined ? 'unknown' : profile.mode;
  return { profile, mode, origin, problems: [], stopped };
}
