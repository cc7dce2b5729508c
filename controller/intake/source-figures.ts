import type { FlowBatch } from '../ports.ts';
import type { SourceState } from './reconnecting.ts';

/** How a flow source fares. */
export interface SourceHealth {
  readonly name: string;
  readonly state: SourceState;
  /** Why, in words; empty while it runs. */
  readonly message: string;
  /** Time of its latest flow; undefined: none yet. */
  readonly lastFlowMs: number | undefined;
  readonly records: number;
  readonly flows: number;
  readonly rejected: number;
}

/** What each of some sources delivered, and how it fares. */
export class SourceFigures {
  readonly #health = new Map<string, SourceHealth>();

  get health(): readonly SourceHealth[] {
    return [...this.#health.values()];
  }

  tell(name: string, state: SourceState, message: string): void {
    const before = this.#health.get(name) ?? { lastFlowMs: undefined, records: 0, flows: 0, rejected: 0 };
    this.#health.set(name, { ...before, name, state, message });
  }

  count(name: string, { flows, rejected, records }: FlowBatch): void {
    const health = this.#health.get(name);
    if (health === undefined) return;
    const latest = flows.at(-1)?.endMs;
    this.#health.set(name, {
      ...health,
      lastFlowMs: latest === undefined ? health.lastFlowMs : Math.max(latest, health.lastFlowMs ?? latest),
      records: health.records + records,
      flows: health.flows + flows.length,
      rejected: health.rejected + rejected.length,
    });
  }

  /** It is not read here any more. */
  forget(name: string): void {
    this.#health.delete(name);
  }
}
