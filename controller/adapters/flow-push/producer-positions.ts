import type { SourcePosition, SourcePositions } from '../../ports.ts';

interface KnownProducer {
  /** Of its latest batch that is saved. */
  sequence: number;
  heardMs: number;
}

/** Whoever was not heard of for so long will not repeat a batch any more. */
const rememberedMs = 7 * 24 * 3_600_000;
const mostProducers = 20_000;

/** How far each producer's batches are saved. Bounded: who was not heard of for a week is forgotten, the longest unheard first. */
export class ProducerPositions {
  /** In the order in which they were heard of last. */
  readonly #known = new Map<string, KnownProducer>();

  /** `saved`: as the store has them, by producer. */
  constructor(saved: SourcePositions) {
    const entries = [...saved].flatMap(([producer, position]) => {
      const known = parsePosition(position);
      return known === undefined ? [] : [[producer, known] as const];
    });
    for (const [producer, known] of entries.sort(([, a], [, b]) => a.heardMs - b.heardMs))
      this.#known.set(producer, known);
  }

  /** 0: nothing of it is saved. */
  savedSequence(producer: string): number {
    return this.#known.get(producer)?.sequence ?? 0;
  }

  saved(producer: string, sequence: number, nowMs: number): void {
    this.#known.delete(producer);
    this.#known.set(producer, { sequence, heardMs: nowMs });
  }

  /** Takes those out that need not be kept, and names them. */
  forget(nowMs: number): string[] {
    const forgotten: string[] = [];
    for (const [producer, { heardMs }] of this.#known) {
      if (nowMs - heardMs < rememberedMs && this.#known.size <= mostProducers) break;
      this.#known.delete(producer);
      forgotten.push(producer);
    }
    return forgotten;
  }
}

export function formatPosition(sequence: number, nowMs: number): SourcePosition {
  return `${sequence} ${nowMs}`;
}

/** The number of the batch that a position stands behind. */
export function sequenceOf(position: SourcePosition): number | undefined {
  return parsePosition(position)?.sequence;
}

function parsePosition(position: SourcePosition | undefined): KnownProducer | undefined {
  const [, sequence, heardMs] = /^(\d+) (\d+)$/.exec(position ?? '') ?? [];
  return sequence === undefined ? undefined : { sequence: Number(sequence), heardMs: Number(heardMs) };
}
