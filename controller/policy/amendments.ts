import { parseIp } from '../model/cidr.ts';
import { type Connection, type ConnectionId, hasPassed } from '../model/connection.ts';
import type { ConnectionSource } from '../model/connection-source.ts';
import { type Endpoint, isApiServer } from '../model/endpoint.ts';
import { policyProtocolOf } from '../model/protocol.ts';
import type { WorkloadKey } from '../model/workload.ts';
import type { SuspicionJudge } from './suspicion.ts';

/**
 * The same traffic with these connections presented as if they had passed, for the synthesis and the proof of an
 * amendment. Their counts stay what they are, and everything that speaks of them says that they were attempts.
 */
export function attemptsAsEvidence(traffic: ConnectionSource, ids: ReadonlySet<ConnectionId>): ConnectionSource {
  const present = (connection: Connection): Connection =>
    ids.has(connection.id) && !hasPassed(connection) ? { ...connection, attempted: true } : connection;
  return {
    *connections() {
      for (const connection of traffic.connections()) yield present(connection);
    },
    connectionsOf: (workload) => traffic.connectionsOf(workload).map(present),
    dnsNamesOf: (endpoint) => traffic.dnsNamesOf(endpoint),
  };
}

/**
 * Connections of a workload that never passed and that an amendment may let pass, ascending by id: tried at or after
 * `sinceMs` (what was denied before the workload's policy was there is another's decision), with both sides known, in
 * earnest, and with nothing that would have them held back.
 */
export function amendableAttempts(
  workload: WorkloadKey,
  traffic: ConnectionSource,
  suspicionOf: SuspicionJudge,
  sinceMs: number,
): readonly Connection[] {
  return traffic
    .connectionsOf(workload)
    .filter(
      (connection) =>
        connection.directed &&
        !hasPassed(connection) &&
        connection.evidence.lastMs >= sinceMs &&
        isExpressible(connection) &&
        isEarnest(connection) &&
        suspicionOf(connection) === undefined,
    );
}

function isExpressible({ source, destination, protocol, port }: Connection): boolean {
  return port > 0 && policyProtocolOf(protocol) !== undefined && isKnown(source) && isKnown(destination);
}

function isKnown(endpoint: Endpoint): boolean {
  switch (endpoint.kind) {
    case 'workload':
    case 'node':
      return true;
    case 'service':
      return isApiServer(endpoint);
    case 'external':
      return parseIp(endpoint.address) !== undefined;
    case 'unknown':
      return false;
  }
}

/**
 * One denial by a policy is enough from inside of the cluster. A stranger at the door, and a try of which nobody knows
 * whether a policy or a server that was down left it without an answer, have to come twice.
 */
function isEarnest({ source, evidence }: Connection): boolean {
  const { denied, answered, incidences } = evidence;
  if (denied > 0) return denied > 1 || source.kind !== 'external';
  return answered === 'no' && incidences > 1;
}
