import type { SourcePosition, SourcePositions } from '../ports.ts';

/** Whoever was not heard of for so long will not repeat a batch any more. */
const rememberedMs = 7 * 24 * 3_600_000;

/** What is known of each producer. Bounded: who was not heard of for a week is forgotten, the longest unheard first. */
export class HeardProducers<Known extends { readonly heardMs: number }> {
  /** In the order in which they were heard of last. */
  readonly #known = new Map<string, Known>();
  readonly #most: number;

  /** `saved`: as the store has them, by producer; what `parse` cannot read is not known. */
  constructor(
    saved: SourcePositions,
    parse: (position: SourcePosition | undefined) => Known | undefined,
    most: number,
  ) {
    this.#most = most;
    const entries = [...saved].flatMap(([producer, position]) => {
      const known = parse(position);
      return known === undefined ? [] : [[producer, known] as const];
    });
    for (const [producer, known] of entries.sort(([, a], [, b]) => a.heardMs - b.heardMs))
      this.#known.set(producer, known);
  }

  get names(): Iterable<string> {
    return this.#known.keys();
  }

  of(producer: string): Known | undefined {
    return this.#known.get(producer);
  }

  /** It was heard of now. */
  heard(producer: string, known: Known): void {
    this.#known.delete(producer);
    this.#known.set(producer, known);
  }

  /** Takes those out that need not be kept, and names them. */
  forget(nowMs: number): string[] {
    const forgotten: string[] = [];
    for (const [producer, { heardMs }] of this.#known) {
      if (nowMs - heardMs < rememberedMs && this.#known.size <= this.#most) break;
      this.#known.delete(producer);
      forgotten.push(producer);
    }
    return forgotten;
  }
}
