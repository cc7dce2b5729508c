import type { Connection } from './connection.ts';
import type { Endpoint } from './endpoint.ts';
import type { WorkloadKey } from './workload.ts';

/** What the traffic graph is to those who decide on it: everything seen, in an order that depends on nothing else. */
export interface ConnectionSource {
  /** All connections by source, destination, protocol, port. */
  connections(): Iterable<Connection>;
  /** Connections from and to a workload, ascending by id; empty for one that was never seen. */
  connectionsOf(workload: WorkloadKey): readonly Connection[];
  /** DNS names that clients had looked up for an external endpoint, ascending, at most eight. */
  dnsNamesOf(endpoint: Endpoint): readonly string[];
}
