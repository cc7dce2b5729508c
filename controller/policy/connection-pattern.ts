import { cidrContains, parseCidr } from '../model/cidr.ts';
import type { Connection } from '../model/connection.ts';
import { type Endpoint, isApiServer } from '../model/endpoint.ts';
import type { ConnectionPattern } from '../model/profile.ts';
import { protocolName } from '../model/protocol.ts';
import { parseWorkloadKey } from '../model/workload.ts';

/** Whether a pattern of the profile (accepted or refused connections) means this connection. */
export function matchesPattern(pattern: ConnectionPattern, connection: Connection): boolean {
  const { source, destination, protocol, port } = connection;
  return (
    (pattern.port === undefined || pattern.port === port) &&
    (pattern.protocol === undefined || pattern.protocol === protocolName(protocol)) &&
    matchesSide(pattern.source, source) &&
    matchesSide(pattern.destination, destination)
  );
}

function matchesSide(side: string, endpoint: Endpoint): boolean {
  if (side === '*') return true;
  switch (endpoint.kind) {
    case 'workload': {
      const { namespace, kind, name } = parseWorkloadKey(endpoint.workload);
      const [first, second, third] = side.split('/');
      if (first !== namespace) return false;
      if (third === undefined) return second === name;
      return second?.toLowerCase() === kind.toLowerCase() && third === name;
    }
    case 'node':
      return side === 'node' || side === `node/${endpoint.name}`;
    case 'service':
      return isApiServer(endpoint)
        ? side === 'kube-apiserver'
        : side === `${endpoint.namespace}/Service/${endpoint.name}`;
    case 'external': {
      const block = parseCidr(side);
      const address = parseCidr(endpoint.address);
      return block !== undefined && address !== undefined && cidrContains(block, address);
    }
    case 'unknown':
      return false;
  }
}
