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
  /** The pods that there are now, without those that finished. */
  readonly pods: readonly GuardedPod[];
  /** Replicas that the owner asks for now; undefined where it does not say. */
  readonly replicas: number | undefined;
}

export interface GuardedPod {
  readonly name: string;
  readonly ready: boolean;
  /** Undefined: it has not started yet. */
  readonly startMs: number | undefined;
  /** It was deleted and is about to end. */
  readonly terminating?: boolean;
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
 * Pods that lost their readiness and that no rollout explains. A policy can make a pod unready, but it deletes none: pods
 * that are gone or terminate were replaced or scaled down by their owner, and new ones take their time. So only pods from
 * before the change that are still there count, and of them no more than there are too few ready ones, by the number
 * that was ready before or the replicas that the owner asks for now, whichever is less.
 */
function lostReadiness({ readyBefore, pods, replicas, appliedAtMs }: GuardedChange): number {
  const before = new Set(readyBefore);
  const unready = pods.filter(
    ({ name, ready, terminating, startMs }) =>
      // a StatefulSet makes its pods anew under their old names
      before.has(name) && !ready && terminating !== true && startMs !== undefined && startMs <= appliedAtMs,
  );
  const needed = Math.min(before.size, replicas ?? before.size);
  const missing = needed - pods.filter(({ ready }) => ready).length;
  return Math.max(0, Math.min(unready.length, missing));
}

function were(count: number): string {
  return count === 1 ? 'was' : 'were';
}

function sinceWords(ms: number): string {
  return ms < 1000 ? 'within a second of' : `${counted(Math.round(ms / 1000), 'second')} after`;
}
