import { parseProfile } from '../controller/adapters/resources/parse-resources.ts';
import { resolveProfile } from '../controller/adapters/resources/profile-layer.ts';
import { ClusterError } from '../controller/model/cluster-error.ts';
import type { KubernetesObject } from '../controller/model/kubernetes-object.ts';
import { type Problem, problem } from '../controller/model/problem.ts';
import type { ProfileStatus } from '../controller/model/profile.ts';
import type { ObjectStore } from '../controller/ports.ts';
import type { EffectiveProfile } from '../controller/view/effective-profile.ts';
import { whatMayBeRead } from '../controller/serving/what-may-be-read.ts';
import { stopReason } from './stop-annotation.ts';

/** A SegmentationProfile as it is stored. */
export interface StoredProfile extends KubernetesObject {
  readonly spec?: unknown;
  readonly status?: ProfileStatus;
}

/** The SegmentationProfile that counts in a namespace, which is the one called `default`. */
function storedProfile(store: ObjectStore, namespace: string): Promise<StoredProfile | undefined> {
  return store.get<StoredProfile>({ kind: 'SegmentationProfile', namespace, name: 'default' });
}

export async function effectiveProfile(
  store: ObjectStore,
  namespace: string,
  systemNamespace: string,
): Promise<EffectiveProfile> {
  const [cluster, own, object] = await Promise.all([
    clusterProfile(store, systemNamespace),
    namespace === systemNamespace ? undefined : usable(storedProfile(store, namespace)),
    whatMayBeRead(store.get({ kind: 'Namespace', namespace: '', name: namespace }), undefined),
  ]);
  return profileFrom(cluster, own, object);
}

/** A profile; what is wrong with the file that it, or one like it, is in; undefined where there is none. */
type ProfileReading = StoredProfile | Problem | undefined;

/** The profile of the cluster, as far as the user may read it. */
export function clusterProfile(store: ObjectStore, systemNamespace: string): Promise<ProfileReading | 'unreadable'> {
  return whatMayBeRead(usable(storedProfile(store, systemNamespace)), 'unreadable');
}

/** A file of a workspace that cannot be read is a profile that cannot be used. */
async function usable(profile: Promise<StoredProfile | undefined>): Promise<ProfileReading> {
  try {
    return await profile;
  } catch (error) {
    if (error instanceof ClusterError && error.code === 'Invalid') return problem('ProfileInvalid', error.message);
    throw error;
  }
}

/** The profile that the cluster's own and a namespace's make together, with the switches on it and on the Namespace. */
export function profileFrom(
  cluster: ProfileReading | 'unreadable',
  own: ProfileReading,
  namespace: KubernetesObject | undefined,
): EffectiveProfile {
  const readable = storedOf(cluster);
  const nearest = storedOf(own) ?? readable;
  const clusterLayer = layerOf(cluster, 'Cluster');
  const ownLayer = layerOf(own, 'Namespace');
  const origin = nearest ? `${nearest.metadata.namespace ?? ''}/${nearest.metadata.name}` : 'built-in';
  const stopped = stopReason(readable) ?? stopReason(namespace);
  if (Array.isArray(clusterLayer) || Array.isArray(ownLayer)) {
    const found = [clusterLayer, ownLayer].flatMap((layer): readonly Problem[] => (Array.isArray(layer) ? layer : []));
    const problems = [...new Map(found.map((each) => [`${each.where} ${each.message}`, each])).values()];
    return { profile: resolveProfile(), mode: 'observe', origin, problems, stopped };
  }
  const profile = resolveProfile(clusterLayer, ownLayer);
  const mode = cluster === 'unreadable' && ownLayer.mode === undefined ? 'unknown' : profile.mode;
  return { profile, mode, origin, problems: [], stopped };
}

/** The profile itself, where it could be read. */
export function storedOf(reading: ProfileReading | 'unreadable'): StoredProfile | undefined {
  return reading === undefined || reading === 'unreadable' || 'code' in reading ? undefined : reading;
}

function layerOf(reading: ProfileReading | 'unreadable', of: 'Cluster' | 'Namespace') {
  if (reading === undefined || reading === 'unreadable') return {};
  return 'code' in reading ? [reading] : parseProfile(reading, of);
}
