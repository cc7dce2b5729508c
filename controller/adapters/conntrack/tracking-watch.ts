import type { Problem } from '../../model/problem.ts';
import { judgeTracking, readTrackingFacts, type SeenEntries, type TrackingFacts } from './tracking-state.ts';

/** Looks from time to time whether the kernel tracks what passes, and tells when that is no longer so. */
export class TrackingWatch {
  readonly #lookMs: number;
  #before: TrackingFacts | undefined;
  #nextMs = 0;
  #findings: readonly Problem[] = [];
  #blind = false;

  constructor(lookMs: number) {
    this.#lookMs = lookMs;
  }

  /** As of the last look. */
  get findings(): readonly Problem[] {
    return this.#findings;
  }

  isDue(nowMs: number): boolean {
    return nowMs >= this.#nextMs;
  }

  /**
   * `turnedBlind`: the node was observed until now and is not any more. `watched`: since the last look everything that
   * happened was surely seen. `seen`: since the last look.
   */
  async look(nowMs: number, seen: SeenEntries): Promise<{ readonly turnedBlind: boolean; readonly watched: boolean }> {
    this.#nextMs = nowMs + this.#lookMs;
    const facts = await readTrackingFacts();
    const { findings, blind, watched } = judgeTracking(facts, this.#before ?? facts, seen);
    this.#before = facts;
    this.#findings = findings;
    const turnedBlind = blind && !this.#blind;
    this.#blind = blind;
    return { turnedBlind, watched };
  }
}
