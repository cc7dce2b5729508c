import type { ClosedNamespaceRules } from '../model/profile.ts';

/** On the proposal that closes a namespace: since when each workload that came later is known, as JSON. */
export const newcomersAnnotation = 'nanoseg.io/newcomers';
/** On a learning allowance: `Kind/name` of its workload. */
export const allowanceForAnnotation = 'nanoseg.io/allowance-for';

/** Since when each newcomer is known, RFC 3339 by `Kind/name`. */
export type Newcomers = Readonly<Record<string, string>>;

export interface ClosedNamespace {
  /** The default-deny is in force, and policies may be written. */
  readonly closed: boolean;
  readonly rules: ClosedNamespaceRules;
  /** `Kind/name` of the workloads without a policy of their own. */
  readonly unprotected: readonly string[];
  readonly newcomers: Newcomers;
  /** The allowances that are stored, by the workload that they are for. */
  readonly stored: ReadonlyMap<string, { readonly policy: string; readonly expires: string }>;
  readonly nowMs: number;
}

export interface AllowancePlan {
  readonly newcomers: Newcomers;
  /** RFC 3339 by `Kind/name`: an allowance that is missing, or that says another end. */
  readonly write: ReadonlyMap<string, string>;
  /** Names of policies. */
  readonly remove: readonly { readonly policy: string; readonly workload: string; readonly because: string }[];
}

/**
 * What newcomers of a closed namespace get: nothing, or for a while everything. A workload that was a newcomer once is
 * remembered, so that its time ends and does not begin again.
 */
export function planAllowances(namespace: ClosedNamespace): AllowancePlan {
  const { closed, rules, unprotected, stored, nowMs } = namespace;
  const learns = closed && rules.newWorkloads === 'learn';
  const newcomers: Record<string, string> = {};
  const write = new Map<string, string>();
  const wanted = new Set<string>();
  for (const workload of learns ? unprotected : []) {
    const since = namespace.newcomers[workload] ?? new Date(nowMs).toISOString();
    newcomers[workload] = since;
    const endsMs = Date.parse(since) + rules.learnForMs;
    // a time that cannot be read is over
    if (!(endsMs > nowMs)) continue;
    wanted.add(workload);
    const expires = new Date(endsMs).toISOString();
    if (stored.get(workload)?.expires !== expires) write.set(workload, expires);
  }
  const remove = [...stored]
    .filter(([workload]) => !wanted.has(workload))
    .map(([workload, { policy }]) => {
      const because = !learns
        ? 'the namespace does not let newcomers learn any more'
        : unprotected.includes(workload)
          ? 'its time to learn is over'
          : 'it has a policy of its own, or is gone';
      return { policy, workload, because };
    });
  return { newcomers, write, remove };
}
