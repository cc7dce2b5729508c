import type { SourcePosition, SourcePositions } from '../../ports.ts';

interface Applied {
  /** The highest number that was applied. */
  highest: number;
  /** Bit i: the number `highest - 1 - i` was applied too. */
  before: number;
  heardMs: number;
}

/** So many numbers below the highest are told apart; a producer has no more than one of them under way. */
const windowed = 32;
/** Whoever was not heard of for so long will not repeat a batch any more. */
const rememberedMs = 7 * 24 * 3_600_000;
const mostProducers = 100_000;

/**
 * Which numbered batches of each producer were applied, so that one that is appended or delivered again is not. Only some
 * numbers of a producer come to a shard: a number that is missing says nothing.
 */
export class AppliedNumbers {
  /** In the order in which they were heard of last. */
  readonly #known = new Map<string, Applied>();

  /** `saved`: as the store has them, by producer. */
  constructor(saved: SourcePositions) {
    const entries = [...saved].flatMap(([producer, position]) => {
      const known = parsePosition(position);
      return known === undefined ? [] : [[producer, known] as const];
    });
    for (const [producer, known] of entries.sort(([, a], [, b]) => a.heardMs - b.heardMs))
      this.#known.set(producer, known);
  }

  /** Whether it is new, and is to be applied now. What is older than can be told counts as applied. */
  take(producer: string, number: number, nowMs: number): boolean {
    const known = this.#known.get(producer);
    if (known === undefined) {
      this.#known.set(producer, { highest: number, before: 0, heardMs: nowMs });
      return true;
    }
    const ahead = number - known.highest;
    if (ahead === 0 || ahead < -windowed) return false;
    if (ahead < 0) {
      const bit = 1 << (-ahead - 1);
      if ((known.before & bit) !== 0) return false;
      known.before |= bit;
    } else {
      // the former highest is the bit that comes in
      known.before = ahead > windowed ? 0 : shifted(known.before, ahead) | (1 << (ahead - 1));
      known.highest = number;
    }
    known.heardMs = nowMs;
    this.#known.delete(producer);
    this.#known.set(producer, known);
    return true;
  }

  /** As the store keeps it. */
  position(producer: string): SourcePosition | undefined {
    const known = this.#known.get(producer);
    return known && `${known.highest} ${(known.before >>> 0).toString(16)} ${known.heardMs}`;
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

/** A shift by all 32 bits leaves nothing; JavaScript's own would leave everything. */
function shifted(bits: number, by: number): number {
  return by >= windowed ? 0 : bits << by;
}

function parsePosition(position: SourcePosition | undefined): Applied | undefined {
  const [, highest, before, heardMs] = /^(\d+) ([0-9a-f]{1,8}) (\d+)$/.exec(position ?? '') ?? [];
  if (highest === undefined || before === undefined) return undefined;
  return { highest: Number(highest), before: Number.parseInt(before, 16) | 0, heardMs: Number(heardMs) };
}
