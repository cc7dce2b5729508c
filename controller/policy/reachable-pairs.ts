import { isEmptyConnections } from '../model/connection-set.ts';
import type { PolicyDraft } from '../model/policy-draft.ts';
import type { WorkloadKey } from '../model/workload.ts';
import { type Admission, admits } from './evaluate/admits.ts';
import type { Direction } from './evaluate/compile-policies.ts';
import type { Evaluation } from './evaluate/evaluation.ts';

const directions = ['ingress', 'egress'] as const;

/** What a proposal's own policies admit for each of its workloads. */
export type Admitted = Readonly<Record<Direction, ReadonlyMap<WorkloadKey, readonly Admission[]>>>;

export function admissionsOf({ workloads }: PolicyDraft, own: readonly Evaluation[]): Admitted {
  const of = (direction: Direction) =>
    new Map(
      workloads.map((workload) => {
        const found = own.map((each) => admits(each, direction, workload));
        return [workload, found.flatMap((admissions) => (admissions === 'not-isolated' ? [] : admissions))];
      }),
    );
  return { ingress: of('ingress'), egress: of('egress') };
}

/** Reachable pairs of several workloads, summed up. */
export function reachableOf(
  workloads: readonly WorkloadKey[],
  existing: Evaluation,
  admitted: Admitted | undefined,
): number {
  return workloads.reduce((sum, workload) => sum + reachablePairs(workload, existing, admitted), 0);
}

/**
 * Ordered pairs of the workload and any other (or itself) between which its own side lets something through, or may:
 * by the existing policies alone, where those that do not isolate it let everything through, or together with what a
 * proposal admits.
 */
function reachablePairs(workload: WorkloadKey, existing: Evaluation, admitted: Admitted | undefined): number {
  const all = existing.index.keys.length;
  const sets = directions.map((direction) => {
    const fromExisting = admits(existing, direction, workload);
    if (fromExisting === 'not-isolated' && !admitted) return undefined;
    const found = new Set<WorkloadKey>();
    const kept = fromExisting === 'not-isolated' ? [] : fromExisting;
    for (const { peer, allowed, unknown } of [...kept, ...(admitted?.[direction].get(workload) ?? [])]) {
      const nothing = isEmptyConnections(allowed) && isEmptyConnections(unknown);
      if (peer.kind === 'workload' && !nothing) found.add(peer.workload);
    }
    return found;
  });
  const itself = sets.every((set) => set === undefined || set.has(workload));
  const others = sets.map((set) => (set === undefined ? all - 1 : set.size - (set.has(workload) ? 1 : 0)));
  return others.reduce((sum, count) => sum + count, itself ? 1 : 0);
}
