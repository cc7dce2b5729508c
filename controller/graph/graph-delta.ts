import type { Evidence } from '../model/connection.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { FlowSourceKind } from '../model/flow.ts';
import type { Growth } from './growth.ts';
import type { RecentKeyChunk } from './recent-keys.ts';

/**
 * Evidence that can be added to a traffic graph, as a canonical plain value: everything sorted, nothing twice, so that
 * equal evidence is equal text. Merging is commutative and associative. A snapshot is the delta from nothing.
 */
export interface GraphDelta {
  readonly version: 1;
  readonly binMs: number;
  /** Ascending by id; connections point at them by position. */
  readonly endpoints: readonly EndpointDelta[];
  /** Ascending by source, destination, protocol, port, directed first. */
  readonly connections: readonly ConnectionDelta[];
  readonly flows: readonly NodeFlows[];
  readonly losses: readonly NodeLosses[];
}

/**
 * What of a graph changed since this was last taken. Unlike evidence to add, everything in the delta is absolute: each
 * connection, endpoint and record of a node as it is now, and replaces the one that was there.
 */
export interface GraphChanges {
  readonly delta: GraphDelta;
  /** Connections that were remembered by port and time, so that a second report of them counts once. */
  readonly recent: readonly RecentKeyChunk[];
  /** What was added, where it is asked for. Undefined: who follows has to read everything anew. */
  readonly growth: Growth | undefined;
}

export interface EndpointDelta {
  readonly endpoint: Endpoint;
  readonly dnsNames: readonly string[];
}

export interface ConnectionDelta extends EvidenceDelta {
  readonly source: number;
  readonly destination: number;
  readonly protocol: number;
  readonly port: number;
  readonly directed: boolean;
}

/** Evidence with what is needed to add more to it. */
export interface EvidenceDelta extends Omit<Evidence, 'incidences' | 'clientReplicas' | 'serverReplicas'> {
  /** Three words: bit `bin mod 89` is set for each of the finest bins that it was seen in. */
  readonly marks: readonly number[];
  /** The smallest hashes of the pods on either side, ascending, at most `replicaLimit`; of 32 bits for clients, 16 for servers. */
  readonly clientReplicas: readonly number[];
  readonly serverReplicas: readonly number[];
}

/** What one node reported through one source: flows, and that it was observed. */
export interface NodeFlows {
  readonly source: FlowSourceKind;
  /** Empty: the source does not say. */
  readonly node: string;
  /** 0: nothing happened while it was observed. */
  readonly flows: number;
  readonly firstMs: number;
  readonly lastMs: number;
  /** Bins in which it reported anything, or was observed, as runs of bins next to each other, in bins of `binMs`. */
  readonly binMs: number;
  readonly runs: readonly BinRun[];
}

export interface BinRun {
  readonly startMs: number;
  readonly bins: number;
}

/** What one source said about missing events of one node. */
export interface NodeLosses {
  readonly source: FlowSourceKind;
  /** Empty: not known, so any node. */
  readonly node: string;
  /** One in so many events is reported, at the worst of all times; 1: all. */
  readonly sampling: number;
  /** Hours in which something was missing, ascending. */
  readonly periods: readonly LossPeriod[];
}

/** What was missing in one hour. */
export interface LossPeriod {
  /** Its beginning, in ms since 1970; a multiple of `lossPeriodMs`. */
  readonly startMs: number;
  /** Events known to be lost. */
  readonly lost: number;
  /** Reports of loss without a number. */
  readonly uncounted: number;
  /** Reports that the node was not observed. */
  readonly unavailable: number;
}

export const lossPeriodMs = 3_600_000;

/** How the traffic was observed: from when to when, by which nodes, and what is known to be missing. */
export interface ObservationWindow {
  readonly binMs: number;
  /** First and last flow; undefined when there was none. */
  readonly span: { readonly firstMs: number; readonly lastMs: number } | undefined;
  readonly flows: readonly NodeFlows[];
  readonly losses: readonly NodeLosses[];
}
