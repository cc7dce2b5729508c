import type { Condition, ConditionType } from '../model/policy-proposal.ts';

export interface Finding<Type extends string = ConditionType> {
  readonly type: Type;
  readonly status: Condition['status'];
  readonly reason: string;
  readonly message: string;
}

/** The conditions for these findings: the time of transition moves only when the status does. */
export function conditionsOf<Type extends string>(
  findings: readonly Finding<Type>[],
  former: readonly { readonly type: Type; readonly status: Condition['status']; readonly lastTransitionTime: string }[],
  now: string,
  observedGeneration: number,
): (Omit<Condition, 'type'> & { readonly type: Type })[] {
  return findings.map((finding) => {
    const before = former.find(({ type }) => type === finding.type);
    const lastTransitionTime = before?.status === finding.status ? before.lastTransitionTime : now;
    return { ...finding, lastTransitionTime, observedGeneration };
  });
}
