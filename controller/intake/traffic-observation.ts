import type { Backend } from '../backend.ts';
import type { TrafficGraph } from '../graph/traffic-graph.ts';
import type { LiveIngest } from './live-ingest.ts';
import type { StreamsStatus } from '../model/profile.ts';
import type { Problem } from '../model/problem.ts';
import type { Sighting } from '../model/sighting.ts';

/** How flows are taken and counted, by whomever. */
export type IngestFigures = Pick<LiveIngest, 'health' | 'counters' | 'observed'>;

/** The traffic graph, and how it is filled. */
export interface SeenSoFar {
  readonly graph: TrafficGraph;
  readonly ingest: IngestFigures;
}

/** Fills a traffic graph, or follows those who do. */
export interface TrafficObservation {
  /** Undefined until what was saved has been read; another graph when everything had to be read anew. */
  readonly seen: SeenSoFar | undefined;
  /** Resolves when there is a graph, or will be none. */
  readonly begun: Promise<void>;
  /** Whether all that is in files of flows was read. */
  readonly backlogRead: boolean;
  /** What does not work now. */
  readonly degraded: readonly Problem[];
  /** Undefined: the work is not shared with other processes. */
  readonly streams: StreamsStatus | undefined;
  run(backend: Backend, signal: AbortSignal): Promise<void>;
}

/** What an observation tells of what it sees. */
export interface WatchesTraffic {
  /** On the hot path: it must be quick. */
  readonly onSighting: (sighting: Sighting) => void;
  /** The cluster may be another one, before any sighting that comes of it. */
  readonly onCluster: () => void;
}
