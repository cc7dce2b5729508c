import type { Connection, ConnectionId } from '../model/connection.ts';
import type { ConnectionSource } from '../model/connection-source.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { Workload } from '../model/workload.ts';
import { evidenceQuality } from './evidence-quality.ts';
import { nodeBeginnings } from './node-beginnings.ts';
import { missedRun } from './obligations.ts';
import { lastSeen, type Learning, nodesOf } from './readiness.ts';

/**
 * Connections of a workload that were last seen before `sinceMs`, ascending by id. None at all unless the nodes of its
 * pods were observed without a hole from then to now: what nobody watched is not unused. A connection of a CronJob that
 * was not due since then, or did not run, is not unused either.
 */
export function unusedConnections(
  workload: Workload,
  learning: Learning,
  sinceMs: number,
  nowMs: number,
): readonly Connection[] {
  const { traffic, cluster, podsOf, profile, window } = learning;
  const old = traffic.connectionsOf(workload.key).filter(({ evidence }) => evidence.lastMs < sinceMs);
  if (old.length === 0 || sinceMs >= nowMs) return [];
  const span = { firstMs: sinceMs, lastMs: nowMs };
  const nodes = nodesOf(
    (podsOf.get(workload.key) ?? []).filter(({ endMs }) => endMs === undefined || endMs >= sinceMs),
  );
  const terms = { loss: profile.learning.loss, sinceMs };
  const holes = evidenceQuality({ ...window, span }, terms, nodeBeginnings(cluster))(nodes);
  if (window.flows.length === 0 || holes.length > 0) return [];
  const idle = (endpoint: Endpoint): boolean => {
    const job = endpoint.kind === 'workload' ? cluster.workloads.get(endpoint.workload) : undefined;
    if (job?.schedule === undefined) return true;
    if (job.schedule.suspended) return false;
    return missedRun(job, podsOf.get(job.key) ?? [], lastSeen(traffic.connectionsOf(job.key)), span) === undefined;
  };
  return old.filter(({ source, destination }) => idle(source) && idle(destination));
}

/** The same traffic without these connections. */
export function withoutConnections(traffic: ConnectionSource, ids: ReadonlySet<ConnectionId>): ConnectionSource {
  const kept = ({ id }: Connection) => !ids.has(id);
  return {
    *connections() {
      for (const connection of traffic.connections()) if (kept(connection)) yield connection;
    },
    connectionsOf: (workload) => traffic.connectionsOf(workload).filter(kept),
    dnsNamesOf: (endpoint) => traffic.dnsNamesOf(endpoint),
  };
}
