import type { Condition, ConditionType } from '../model/policy-proposal.ts';

export interface Finding {
  readonly type: ConditionType;
  readonly status: Condition['status'];
  readonly reason: string;
  readonly message: string;
}

/** The conditions for these findings: the time of transition moves only when the status does. */
export function conditionsOf(
  findings: readonly Finding[],
  former: readonly Condition[],
  now: string,
  observedGeneration: number,
): Condition[] {
  return findings.map((finding) => {
    const before = former.find(({ type }) => type === finding.type);
    const lastTransitionTime = before?.status === finding.status ? before.lastTransitionTime : now;
    return { ...finding, lastTransitionTime, observedGeneration };
  });
}
