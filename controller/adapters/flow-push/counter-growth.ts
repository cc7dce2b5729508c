import { createHash } from 'node:crypto';
import type { CounterPoint } from './counter-point.ts';

interface LastPoint {
  readonly startMs: number;
  readonly timeMs: number;
  readonly value: number;
}

/** The oldest series are forgotten beyond this; one that comes back has appeared anew. */
const mostSeries = 100_000;

/**
 * By how much counters have grown since their point before: series that end come back later and begin at nothing, and the
 * same point may come twice.
 */
export class CounterGrowth {
  readonly #last = new Map<string, LastPoint>();

  /** 0 where nothing was added, or the point is an old one. `sender` tells apart who may use the same attributes. */
  of(sender: string, { metric, temporality, startMs, timeMs, value, attributes, resource }: CounterPoint): number {
    const key = keyOf([sender, metric, ...sorted(resource), ...sorted(attributes)]);
    const last = this.#last.get(key);
    const grown = last === undefined ? value : grownSince(last, { temporality, startMs, timeMs, value });
    if (grown === 'old') return 0;
    this.#last.delete(key);
    this.#last.set(key, { startMs, timeMs, value });
    for (const oldest of this.#last.keys()) {
      if (this.#last.size <= mostSeries) break;
      this.#last.delete(oldest);
    }
    return Math.max(0, Math.floor(grown));
  }
}

/** A counter that begins anew says so by its start; where it says none, by having become less. */
function grownSince(
  last: LastPoint,
  { temporality, startMs, timeMs, value }: LastPoint & Pick<CounterPoint, 'temporality'>,
): number | 'old' {
  if (temporality === 'delta') return timeMs <= last.timeMs ? 'old' : value;
  if (startMs < last.startMs) return 'old';
  if (startMs > last.startMs) return value;
  if (value < last.value) return startMs === 0 ? value : 'old';
  return value - last.value;
}

function sorted(texts: ReadonlyMap<string, string>): string[] {
  return [...texts].map(([name, text]) => `${name}=${text}`).sort();
}

function keyOf(parts: readonly string[]): string {
  return createHash('sha1').update(JSON.stringify(parts)).digest('base64');
}
