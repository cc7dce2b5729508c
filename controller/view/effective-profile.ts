import type { ClusterView } from '../ports.ts';
import type { Problem } from '../model/problem.ts';
import type { Mode, Profile } from '../model/profile.ts';

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

/** The profile in force for a namespace, with its switches. */
export function effectiveProfileIn(view: ClusterView, namespace: string): EffectiveProfile {
  const { profile, origin, problem } = view.profileOf(namespace);
  const stopped = view.stopped(namespace);
  return { profile, mode: profile.mode, origin, problems: problem === undefined ? [] : [problem], stopped };
}
