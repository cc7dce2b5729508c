import type { SourcePosition, SourcePositions } from '../../ports.ts';
import { HeardProducers } from '../heard-producers.ts';

interface Applied {
  /** This number, and all below it, count as applied. */
  floor: number;
  /** Those above it that were applied, ascending. */
  readonly above: number[];
  heardMs: number;
}

/**
 * So many batches of a producer are told apart. They come in order, but for those that a server has lost and that another
 * receiver than the producer's latest appends again.
 */
const toldApart = 64;
const radix = 36;
const mostProducers = 100_000;

/**
 * Which numbered batches of each producer were applied, so that one that is appended or delivered again is not. Only some
 * numbers of a producer come to a shard: a number that is missing says nothing.
 */
export class AppliedNumbers {
  readonly #known: HeardProducers<Applied>;

  /** `saved`: as the store has them, by producer. */
  constructor(saved: SourcePositions) {
    this.#known = new HeardProducers(saved, parsePosition, mostProducers);
  }

  /** Whether it is new, and is to be applied now. What is older than can be told counts as applied. */
  take(producer: string, number: number, nowMs: number): boolean {
    const known = this.#known.of(producer) ?? { floor: 0, above: [], heardMs: nowMs };
    const { above } = known;
    if (number <= known.floor) return false;
    let at = above.length;
    while (at > 0 && (above[at - 1] as number) > number) at--;
    if (above[at - 1] === number) return false;
    above.splice(at, 0, number);
    if (above.length > toldApart) known.floor = above.shift() as number;
    known.heardMs = nowMs;
    this.#known.heard(producer, known);
    return true;
  }

  /** As the store keeps it: when it was heard of, the floor, and the steps from each number to the next. */
  position(producer: string): SourcePosition | undefined {
    const known = this.#known.of(producer);
    if (known === undefined) return undefined;
    const { floor, above, heardMs } = known;
    const steps = above.map((number, i) => (number - (above[i - 1] ?? floor)).toString(radix));
    return `${heardMs} ${floor} ${steps.join('.')}`;
  }

  /** All that have a position. */
  get producers(): Iterable<string> {
    return this.#known.names;
  }

  /** Takes those out that need not be kept, and names them. */
  forget(nowMs: number): string[] {
    return this.#known.forget(nowMs);
  }
}

function parsePosition(position: SourcePosition | undefined): Applied | undefined {
  const [, heardMs, floor, text] = /^(\d+) (\d+) ([0-9a-z]+(?:\.[0-9a-z]+)*)$/.exec(position ?? '') ?? [];
  if (text === undefined) return undefined;
  const above: number[] = [];
  let number = Number(floor);
  for (const step of text.split('.')) above.push((number += Number.parseInt(step, radix)));
  return { floor: Number(floor), above, heardMs: Number(heardMs) };
}
