import type { Endpoint } from './endpoint.ts';
import { endpointId } from './endpoint.ts';
import type { FlowSourceKind } from './flow.ts';
import { protocolName } from './protocol.ts';

declare const connectionIdBrand: unique symbol;

/** `source>destination:PROTOCOL/port`, with `~` for `>` where the direction is not known; stable and sortable. */
export type ConnectionId = string & { readonly [connectionIdBrand]: true };

/** A distinct (source, destination, protocol, port) with all that was seen of it. Flows are many, connections few. */
export interface Connection {
  readonly id: ConnectionId;
  readonly source: Endpoint;
  readonly destination: Endpoint;
  /** IANA number. */
  readonly protocol: number;
  /** The destination's own port; 0 when not known or without ports. */
  readonly port: number;
  /** False: nobody could tell who opened it; such a connection is shown and is never evidence. */
  readonly directed: boolean;
  readonly evidence: Evidence;
  /** Never passed, and presented as if it had: what a proposed amendment would let pass, for a person to judge. */
  readonly attempted?: true;
}

export interface Evidence {
  /**
   * Distinct connections (5-tuple and time bin) seen, by verdict. `allowed` includes what sources without verdicts saw,
   * but for tries that such a source saw fail: those count nowhere, and leave `answered` at `no`.
   */
  readonly allowed: number;
  readonly denied: number;
  /** Passed, although a policy in audit mode would have dropped it. */
  readonly audited: number;
  /** 0 when no source knows. */
  readonly bytes: number;
  readonly firstMs: number;
  readonly lastMs: number;
  /** When it was seen: the start of each time bin in ms, ascending, in bins of `binMs`. */
  readonly bins: readonly number[];
  /** Width of the bins above: the graph's finest, or an hour, a day or more where too many fine bins were seen. */
  readonly binMs: number;
  /** Seen in at least this many of the graph's finest bins; exact while `bins` are the finest. */
  readonly incidences: number;
  /** Distinct pods seen on either side, counted exactly up to `replicaLimit`, which then means "at least". */
  readonly clientReplicas: number;
  readonly serverReplicas: number;
  readonly sources: readonly FlowSourceKind[];
  /** `no`: only ever seen without an answer, by a source that can tell. */
  readonly answered: 'yes' | 'no' | 'unknown';
  /**
   * For a node as the client: `own` when every pod that it was seen to reach, and whose node is known, ran on it; `other` as
   * soon as one did not.
   */
  readonly clientNode: 'own' | 'other' | 'unknown';
}

/** Up to this many distinct replicas are told apart for each side of a connection. */
export const replicaLimit = 3;

/** True when it may be learned from: the direction is known, and it passed at least once or is presented so. */
export function isEvidence(connection: Connection): boolean {
  return connection.directed && (hasPassed(connection) || connection.attempted === true);
}

/** True when it really passed at least once. */
export function hasPassed({ evidence }: Connection): boolean {
  return evidence.allowed + evidence.audited > 0;
}

export function connectionId(
  source: Endpoint,
  destination: Endpoint,
  protocol: number,
  port: number,
  directed: boolean,
): ConnectionId {
  const arrow = directed ? '>' : '~';
  return `${endpointId(source)}${arrow}${endpointId(destination)}:${protocolName(protocol)}/${port}` as ConnectionId;
}
