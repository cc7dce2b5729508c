import { type ConnectionSet, isEmptyConnections } from '../model/connection-set.ts';
import type { PortInterval } from '../model/port-set.ts';
import { type PolicyProtocol, policyProtocols } from '../model/protocol.ts';
import { parseWorkloadKey, type WorkloadRef } from '../model/workload.ts';
import type { Side } from '../policy/evaluate/connectivity.ts';
import type { PairDifference } from '../policy/evaluate/difference.ts';

export interface PortsJson {
  readonly protocol: PolicyProtocol;
  readonly ports: readonly PortInterval[];
}

/** One entry for each protocol with any port, in the order TCP, UDP, SCTP. */
export function connectionsJson(connections: ConnectionSet): PortsJson[] {
  return policyProtocols
    .filter((protocol) => connections[protocol].length > 0)
    .map((protocol) => ({ protocol, ports: connections[protocol] }));
}

export function sideJson(side: Side): WorkloadRef | { readonly cidrs: readonly string[] } {
  switch (side.kind) {
    case 'workload':
      return parseWorkloadKey(side.workload);
    case 'addresses':
      return { cidrs: side.cidrs };
  }
}

/** A workload as `namespace/Kind/name`; of many address blocks the first ones. */
export function sideText(side: Side): string {
  switch (side.kind) {
    case 'workload':
      return side.workload;
    case 'addresses': {
      const more = side.cidrs.length - shownCidrs;
      return more <= 0 ? side.cidrs.join(', ') : `${side.cidrs.slice(0, shownCidrs).join(', ')} and ${more} more`;
    }
  }
}

const shownCidrs = 3;

/** A pair whose connectivity differs; `uncertain` only where there is any. */
export function pairJson({ source, destination, gained, lost, uncertain }: PairDifference): unknown {
  return {
    source: sideJson(source),
    destination: sideJson(destination),
    gained: connectionsJson(gained),
    lost: connectionsJson(lost),
    ...(isEmptyConnections(uncertain) ? {} : { uncertain: connectionsJson(uncertain) }),
  };
}
