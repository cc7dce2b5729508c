import type { Cluster } from './model/cluster.ts';
import type { Flow, FlowLoss } from './model/flow.ts';
import type { Problem } from './model/problem.ts';

/** A record that could not be used: where it stands and why, in words for the person who owns the file. */
export interface RejectedRecord {
  /** `file:line`, or the source's own position. */
  readonly where: string;
  readonly reason: string;
}

/** What a source delivers at once: some flows, and all that it knows about what is missing from them. */
export interface FlowBatch {
  readonly flows: readonly Flow[];
  readonly losses: readonly FlowLoss[];
  readonly rejected: readonly RejectedRecord[];
  /** Records read for this batch, usable or not (empty lines are no records). */
  readonly records: number;
  /** Records that are fine and no flow (agent events, reports of a connection's end, …). */
  readonly skipped: number;
}

/** A stream of observed traffic. Back-pressure is the consumer's pace of `next()`. */
export interface FlowSource {
  /** For people: a file name, an address. */
  readonly name: string;
  batches(signal: AbortSignal): AsyncIterable<FlowBatch>;
  /** How far it is, for progress; undefined total: not known. */
  progress(): { readonly doneBytes: number; readonly totalBytes: number | undefined };
}

/** A cluster as read from somewhere, with everything in the input that could not be used. */
export interface ClusterReading {
  readonly cluster: Cluster;
  /** Input that is wrong: a broken document, an object that the API server would refuse. */
  readonly problems: readonly Problem[];
  /** Objects read, by kind. */
  readonly objects: ReadonlyMap<string, number>;
  /** Policies of other APIs, which are in force and are not part of `cluster`: how many, by `Kind (group)`. */
  readonly otherPolicies: ReadonlyMap<string, number>;
}
