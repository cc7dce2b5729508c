/** A seeded source of choices: the same seed gives the same world on every machine. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer, both ends included. */
  int(min: number, max: number): number;
  chance(probability: number): boolean;
  pick<T>(from: readonly T[]): T;
  shuffled<T>(from: readonly T[]): T[];
  /** Independent stream for a named part, so that drawing more in one part leaves the other parts as they were. */
  fork(part: string): Random;
}

/** Mulberry32 by Tommy Ettinger: 32 bits of state, plenty for test worlds, not for secrets. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const int = (min: number, max: number) => min + Math.floor(next() * (max - min + 1));
  return {
    next,
    int,
    chance: (probability) => next() < probability,
    pick: (from) => {
      if (from.length === 0) throw new RangeError('nothing to pick from');
      return from[int(0, from.length - 1)] as (typeof from)[number];
    },
    shuffled: (from) => {
      const result = [...from];
      for (let i = result.length - 1; i > 0; i--) {
        const j = int(0, i);
        [result[i], result[j]] = [result[j] as (typeof from)[number], result[i] as (typeof from)[number]];
      }
      return result;
    },
    fork: (part) => randomOf(mixed(seed, part)),
  };
}

function mixed(seed: number, part: string): number {
  let hash = seed >>> 0;
  for (let i = 0; i < part.length; i++) hash = Math.imul(hash ^ part.charCodeAt(i), 0x85ebca6b) ^ (hash >>> 13);
  return hash >>> 0;
}
