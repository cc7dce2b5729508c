import { defaultProfile, type Profile } from '../../model/profile.ts';
import type { ProfileSpec } from './profile-schema.ts';

/** The fields of a profile that one SegmentationProfile sets; `unusedAfterMs` set to undefined says never. */
export type ProfileLayer = { readonly [Field in keyof Profile]?: LayerOf<Profile[Field]> };

type LayerOf<Field> = Field extends readonly unknown[] | string | number | boolean | undefined ? Field : Partial<Field>;

/** What the spec sets, in the units of the model. */
export function layerOf(spec: ProfileSpec): ProfileLayer {
  const { learning, approvals, guard, closedNamespace, unusedAfter, ...same } = spec;
  return {
    ...same,
    ...(learning && { learning: renamed(learning, { bin: 'binMs', window: 'windowMs' }) }),
    ...(approvals && { approvals: renamed(approvals, { expiry: 'expiryMs' }) }),
    ...(guard && { guard: renamed(guard, { duration: 'durationMs' }) }),
    ...('unusedAfter' in spec && { unusedAfterMs: unusedAfter }),
    ...(closedNamespace && { closedNamespace: renamed(closedNamespace, { learnFor: 'learnForMs' }) }),
  };
}

/** The same values under other keys; a key that is not there is not made. */
function renamed<Value extends object, const Names extends Partial<Record<keyof Value, string>>>(
  value: Value,
  names: Names,
): { [Key in keyof Value as Key extends keyof Names ? Names[Key] & string : Key]: Value[Key] } {
  const entries = Object.entries(value).map(([key, item]) => [names[key as keyof Value] ?? key, item]);
  return Object.fromEntries(entries);
}

/** Fields that hold for the whole cluster, so that a namespace's profile may not set them. */
export function clusterOnlyFields({ cni, clusterCidrs, learning }: ProfileLayer): string[] {
  return [
    ...(cni === undefined ? [] : ['spec.cni']),
    ...(clusterCidrs === undefined ? [] : ['spec.clusterCidrs']),
    ...(learning?.binMs === undefined ? [] : ['spec.learning.bin']),
  ];
}

/** The profile in force: the namespace's fields, where it sets none those of the cluster, and then the defaults. */
export function resolveProfile(cluster: ProfileLayer = {}, namespace: ProfileLayer = {}): Profile {
  const base = defaultProfile;
  return {
    ...base,
    ...cluster,
    ...namespace,
    cni: cluster.cni ?? base.cni,
    clusterCidrs: { ...base.clusterCidrs, ...cluster.clusterCidrs },
    learning: {
      ...base.learning,
      ...cluster.learning,
      ...namespace.learning,
      binMs: cluster.learning?.binMs ?? base.learning.binMs,
    },
    external: { ...base.external, ...cluster.external, ...namespace.external },
    approvals: { ...base.approvals, ...cluster.approvals, ...namespace.approvals },
    guard: { ...base.guard, ...cluster.guard, ...namespace.guard },
    closedNamespace: { ...base.closedNamespace, ...cluster.closedNamespace, ...namespace.closedNamespace },
  };
}
