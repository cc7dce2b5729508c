import { isEmptyConnections } from '../model/connection-set.ts';
import type { WorkloadKey } from '../model/workload.ts';
import { admits } from './evaluate/admits.ts';
import type { Evaluation } from './evaluate/evaluation.ts';

/**
 * Ordered pairs of the workload and any other (or itself) between which its own side lets something through, or may:
 * everything where no policy isolates it.
 */
export function reachablePairs(workload: WorkloadKey, own: readonly Evaluation[], existing: Evaluation): number {
  const all = existing.index.keys.length;
  const sets = (['ingress', 'egress'] as const).map((direction) => {
    const fromExisting = admits(existing, direction, workload);
    if (own.length === 0 && fromExisting === 'not-isolated') return undefined;
    const found = new Set<WorkloadKey>();
    for (const admissions of [fromExisting, ...own.map((each) => admits(each, direction, workload))]) {
      if (admissions === 'not-isolated') continue;
      for (const { peer, allowed, unknown } of admissions) {
        const nothing = isEmptyConnections(allowed) && isEmptyConnections(unknown);
        if (peer.kind === 'workload' && !nothing) found.add(peer.workload);
      }
    }
    return found;
  });
  const itself = sets.every((set) => set === undefined || set.has(workload));
  const others = sets.map((set) => (set === undefined ? all - 1 : set.size - (set.has(workload) ? 1 : 0)));
  return others.reduce((sum, count) => sum + count, itself ? 1 : 0);
}
