import type { Flow } from '../model/flow.ts';

interface HeldFlow {
  readonly flow: Flow;
  /** When it is counted as it is. */
  readonly dueMs: number;
}

/**
 * Flows whose owner is not in the inventory yet: news of a pod and its first flows race each other. Bounded: with no room
 * left a flow is not held.
 */
export class HeldFlows {
  readonly #graceMs: number;
  readonly #most: number;
  #held: HeldFlow[] = [];

  constructor(graceMs: number, most: number) {
    this.#graceMs = graceMs;
    this.#most = most;
  }

  get size(): number {
    return this.#held.length;
  }

  get flows(): readonly Flow[] {
    return this.#held.map(({ flow }) => flow);
  }

  /** False when the flow is too old to be waited for, or there is no room. */
  hold(flow: Flow, nowMs: number): boolean {
    // a clock that runs ahead of ours must not hold a flow for longer
    const dueMs = Math.min(flow.endMs, nowMs) + this.#graceMs;
    if (dueMs <= nowMs || this.#held.length >= this.#most) return false;
    this.#held.push({ flow, dueMs });
    return true;
  }

  /** Takes over flows that waited before: they have waited long enough. */
  restore(flows: readonly Flow[]): void {
    this.#held.push(...flows.map((flow) => ({ flow, dueMs: 0 })));
  }

  /** Whether any flow has waited long enough. */
  isDue(nowMs: number): boolean {
    return this.#held.some(({ dueMs }) => dueMs <= nowMs);
  }

  /** Lets go of the flows that `settles` takes; those that are due are taken whatever it says. */
  settle(nowMs: number, settles: (flow: Flow, due: boolean) => boolean): void {
    this.#held = this.#held.filter(({ flow, dueMs }) => !settles(flow, dueMs <= nowMs));
  }
}
