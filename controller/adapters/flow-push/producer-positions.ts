import type { SourcePosition, SourcePositions } from '../../ports.ts';
import { HeardProducers } from '../heard-producers.ts';

interface KnownProducer {
  /** Of its latest batch that is saved. */
  sequence: number;
  heardMs: number;
}

const mostProducers = 20_000;

/** How far each producer's batches are saved. */
export class ProducerPositions {
  readonly #known: HeardProducers<KnownProducer>;

  /** `saved`: as the store has them, by producer. */
  constructor(saved: SourcePositions) {
    this.#known = new HeardProducers(saved, parsePosition, mostProducers);
  }

  /** 0: nothing of it is saved. */
  savedSequence(producer: string): number {
    return this.#known.of(producer)?.sequence ?? 0;
  }

  saved(producer: string, sequence: number, nowMs: number): void {
    this.#known.heard(producer, { sequence, heardMs: nowMs });
  }

  /** Takes those out that need not be kept, and names them. */
  forget(nowMs: number): string[] {
    return this.#known.forget(nowMs);
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
