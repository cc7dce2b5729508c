import type { FlowVerdict } from '../model/flow.ts';
import type { GraphDelta } from './graph-delta.ts';

/** What one graph gained, for others that follow it. */
export interface Growth {
  /**
   * Counts are what was added since the last time, all else is as it is now: merged into a graph that has everything from
   * before, in any order and grouping, it is exact.
   */
  readonly delta: GraphDelta;
  /** What was seen since then, by connection and second. */
  readonly sightings: readonly SeenConnections[];
  /** Connections that were seen and are not in `sightings`, because there were too many of them. */
  readonly unlisted: number;
}

/** Connections of one kind that began within one second, with the same outcome. */
export interface SeenConnections {
  /** Its position among the connections of the delta. */
  readonly connection: number;
  readonly verdict: FlowVerdict;
  readonly answered: boolean | undefined;
  /** The beginning of the second, in ms since 1970. */
  readonly timeMs: number;
  /** As the sources count them, second reports of the same connection included. */
  readonly connections: number;
}
