import type { FlowVerdict } from '../model/flow.ts';
import type { GraphDelta } from './graph-delta.ts';

/** What one graph gained, for others that follow it. */
export interface Growth {
  /**
   * Counts are what was added since the last time, all else is as it is now: merged into a graph that has everything from
   * before, in any order and grouping, it is exact.
   */
  readonly delta: GraphDelta;
  /** What was seen since then: never much more than the delta itself, because times are told less finely where it would be. */
  readonly sightings: readonly SeenConnections[];
}

/** Connections that began at about the same time, with the same outcome. */
export interface SeenConnections {
  /** Its position among the connections of the delta. */
  readonly connection: number;
  readonly verdict: FlowVerdict;
  readonly answered: boolean | undefined;
  /** The whole second of the first of them, in ms since 1970. */
  readonly timeMs: number;
  /** As the sources count them, second reports of the same connection included. */
  readonly connections: number;
}

/** As they stand in texts and tables, by position: only append. */
export const seenVerdicts: readonly FlowVerdict[] = ['allowed', 'denied', 'audited', 'none'];
