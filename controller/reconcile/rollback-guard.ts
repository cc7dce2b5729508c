import { counted } from '../model/counted.ts';
import type { RollbackGuard } from '../model/profile.ts';

/** What is known of a workload after its policies changed. */
export interface GuardedChange {
  readonly guard: RollbackGuard;
  readonly appliedAtMs: number;
  readonly nowMs: number;
  /** Connections of the baseline that were denied since. */
  readonly deniedBaseline: number;
  /** Names of the pods that were ready right before the change. */
  readonly readyBefore: readonly string[];
  /** The pods that there are now; those that finished or terminate are left out. */
  readonly pods: readonly GuardedPod[];
  /** Replicas that the owner asks for now; undefined where it does not say. */
  readonly replicas: number | undefined;
}

export interface GuardedPod {
  readonly name: string;
  readonly ready: boolean;
  /** Undefined: it has not started yet. */
  readonly startMs: number | undefined;
}

export type GuardVerdict =
  /** The guard time is over, or there is none. */
  | { readonly kind: 'keep' }
  /** `againMs` milliseconds are left. */
  | { readonly kind: 'watching'; readonly againMs: number }
  /** Why, in words. */
  | { readonly kind: 'rollback'; readonly because: string };

/** Whether a change is to be taken back by itself, because what worked before it does not any more. */
export function guardVerdict(change: GuardedChange): GuardVerdict {
  const { guard, appliedAtMs, nowMs, deniedBaseline } = change;
  const leftMs = appliedAtMs + guard.durationMs - nowMs;
  // a number that cannot be compared opens nothing
  if (!(leftMs > 0)) return { kind: 'keep' };
  const reasons: string[] = [];
  if (deniedBaseline > guard.deniedConnections) {
    const denied = counted(deniedBaseline, 'connection');
    reasons.push(`${denied} of the baseline ${were(deniedBaseline)} denied, at most ${guard.deniedConnections} may be`);
  }
  const lost = lostReadiness(change);
  if (lost > guard.unreadyPods) {
    reasons.push(
      `${counted(lost, 'pod')} that ${were(lost)} ready before ${lost === 1 ? 'is' : 'are'} not ready any more, at most ${guard.unreadyPods} may be`,
    );
  }
  if (reasons.length === 0) return { kind: 'watching', againMs: Math.min(leftMs, guard.durationMs) };
  return { kind: 'rollback', because: `${reasons.join('; ')} (${sinceWords(nowMs - appliedAtMs)} the change)` };
}

/**
 * Pods that lost their readiness and that nothing explains. A rollout replaces pods, and a new pod takes its time, so that
 * a pod that is gone counts only where no new one stands in for it, ready or not; a smaller number of replicas needs fewer
 * of them, and of an owner that states no number (a DaemonSet, whose nodes come and go) none is missed; and as long as as many are ready as there have to be, nothing is lost at all.
 */
function lostReadiness({ readyBefore, pods, replicas, appliedAtMs }: GuardedChange): number {
  const before = new Set(readyBefore);
  // a StatefulSet makes its pods anew under their old names
  const isNew = ({ name, startMs }: GuardedPod) => !before.has(name) || startMs === undefined || startMs > appliedAtMs;
  const kept = pods.filter((pod) => !isNew(pod));
  const gone = replicas === undefined ? 0 : before.size - kept.length;
  const standIns = pods.length - kept.length;
  const unexplained = kept.filter(({ ready }) => !ready).length + Math.max(0, gone - standIns);
  const wanted = Math.min(before.size, replicas ?? before.size);
  const missing = wanted - pods.filter(({ ready }) => ready).length;
  return Math.max(0, Math.min(unexplained, missing));
}

function were(count: number): string {
  return count === 1 ? 'was' : 'were';
}

function sinceWords(ms: number): string {
  return ms < 1000 ? 'within a second of' : `${counted(Math.round(ms / 1000), 'second')} after`;
}
