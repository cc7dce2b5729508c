import type { ObservedTime } from '../../model/flow.ts';

/** Looks come more often: a clock that was set, or a machine that stood still, is no time that was watched. */
const mostBetweenLooksMs = 300_000;

/**
 * Since when a node is watched without a break, told every so often. Nothing is told before the first table was read, and
 * of the time between two looks only when the second finds that everything was seen.
 */
export class ObservedTimes {
  readonly #node: string;
  readonly #everyMs: number;
  #sinceMs: number | undefined;
  #lookedMs = 0;
  #isTableRead = false;

  constructor(node: string, everyMs: number) {
    this.#node = node;
    this.#everyMs = everyMs;
  }

  /** Somebody begins to listen: nobody did until now. */
  begin(): void {
    this.#sinceMs = undefined;
    this.#isTableRead = false;
  }

  tableRead(): void {
    this.#isTableRead = true;
  }

  /** The time that is to be told now. */
  lookedAt(nowMs: number, watched: boolean): ObservedTime | undefined {
    const fromMs = this.#sinceMs;
    const sinceLookMs = nowMs - this.#lookedMs;
    this.#lookedMs = nowMs;
    if (!watched || fromMs === undefined || sinceLookMs < 0 || sinceLookMs > mostBetweenLooksMs) {
      this.#sinceMs = nowMs;
      return undefined;
    }
    if (!this.#isTableRead || nowMs - fromMs < this.#everyMs) return undefined;
    this.#sinceMs = nowMs;
    return { source: 'conntrack', node: this.#node, fromMs, toMs: nowMs };
  }
}
