import type { EventRing } from '../adapters/http/api/event-ring.ts';
import type { LiveGraph } from './live-graph.ts';
import type { Clock } from '../ports.ts';

export interface GraphTellingParts {
  /** Undefined until flows are read. */
  readonly live: () => Pick<LiveGraph, 'takeChanged'> | undefined;
  readonly streams: { readonly tell: () => void };
  readonly clock: Clock;
}

/** After telling everybody what changed of the graph, so many times as long as that took passes before it is told again. */
const pace = 25;
const longestRestMs = 60_000;

/** Tells listeners what changes, of the graph as often as they cost little: gathering for a while makes the same edges fewer. */
export class GraphTelling {
  readonly #parts: GraphTellingParts;
  #notBeforeMs = 0;

  constructor(parts: GraphTellingParts) {
    this.#parts = parts;
  }

  tell(ring: EventRing): void {
    const { live, streams, clock } = this.#parts;
    const startMs = clock.now();
    const rows = startMs < this.#notBeforeMs ? [] : (live()?.takeChanged() ?? []);
    if (rows.length > 0) ring.append({ kind: 'graph', rows });
    streams.tell();
    const nowMs = clock.now();
    if (rows.length > 0) this.#notBeforeMs = nowMs + Math.min(longestRestMs, (nowMs - startMs) * pace);
  }
}
