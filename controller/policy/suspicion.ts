import type { Cluster } from '../model/cluster.ts';
import { type Connection, hasPassed, replicaLimit } from '../model/connection.ts';
import type { ConnectionSource } from '../model/connection-source.ts';
import { type Endpoint, type EndpointId, endpointId, isApiServer } from '../model/endpoint.ts';
import { type FlowSourceKind, flowSourceKinds } from '../model/flow.ts';
import type { Profile } from '../model/profile.ts';
import type { HeldBackReason } from '../model/proposal.ts';
import { parseWorkloadKey, type Workload, type WorkloadKey } from '../model/workload.ts';
import { matchesPattern } from './connection-pattern.ts';
import {
  clusterWideSources,
  kindsWithUnequalReplicas,
  newApiServerClientAfterMs,
  singleReplicaChance,
  type SuspiciousDestination,
  suspiciousDestinations,
} from './guardrails.ts';

export interface Suspicion {
  readonly because: HeldBackReason;
  /** Why, in one sentence for the reviewer. */
  readonly message: string;
}

/** Says of a connection why it must not be learned without a person; undefined: nothing speaks against it. */
export type SuspicionJudge = (connection: Connection) => Suspicion | undefined;

/** What one source does over all of its connections. */
interface SourceHabits {
  firstMs: number;
  /** Most replicas that were seen behind one connection, as clients or as servers: at least so many are at work. */
  replicas: number;
  /** Distinct targets that never answered or that a policy denied. */
  failedTargets: number;
  /** Starts of the time bins, with their width, in which those failures happened. */
  readonly failedBins: Map<number, Set<number>>;
}

/** What every source does over all of its connections: a scan shows only in the sum of what a source tries. */
export interface Habits {
  of(source: Endpoint): SourceHabits | undefined;
  /** Sources of flows that show answers at all; from the others, an unanswered connection means nothing. */
  readonly answering: ReadonlySet<FlowSourceKind>;
}

/** One pass over all connections of the window, the same for every profile. */
export function habitsIn(seen: ConnectionSource): Habits {
  const habits = new Map<EndpointId, SourceHabits>();
  // the graph has one object for each endpoint, which is found faster than the text of its id
  const known = new Map<Endpoint, SourceHabits>();
  const habitsOf = (endpoint: Endpoint): SourceHabits => {
    let of = known.get(endpoint);
    if (of) return of;
    const id = endpointId(endpoint);
    of = habits.get(id);
    if (!of) habits.set(id, (of = { firstMs: Infinity, replicas: 0, failedTargets: 0, failedBins: new Map() }));
    known.set(endpoint, of);
    return of;
  };
  const answering = new Set<FlowSourceKind>();
  const perhapsFailed: Connection[] = [];
  for (const connection of seen.connections()) {
    const { source, destination, directed, evidence } = connection;
    if (evidence.answered === 'yes') for (const kind of evidence.sources) answering.add(kind);
    if (!directed) continue;
    const server = habitsOf(destination);
    server.replicas = Math.max(server.replicas, evidence.serverReplicas);
    const of = habitsOf(source);
    of.firstMs = Math.min(of.firstMs, evidence.firstMs);
    of.replicas = Math.max(of.replicas, evidence.clientReplicas);
    if (failed(connection, flowSourceSet)) perhapsFailed.push(connection);
  }
  for (const connection of perhapsFailed) {
    if (!failed(connection, answering)) continue;
    const { evidence } = connection;
    const of = habitsOf(connection.source);
    of.failedTargets++;
    const bins = of.failedBins.get(evidence.binMs) ?? new Set();
    for (const bin of evidence.bins) bins.add(bin);
    of.failedBins.set(evidence.binMs, bins);
  }
  return { of: (source) => known.get(source) ?? habits.get(endpointId(source)), answering };
}

/** Judges connections against the guardrails and the profile. */
export function suspicionJudge(cluster: Cluster, habits: Habits, profile: Profile): SuspicionJudge {
  const running = runningPods(cluster);
  return (connection) => {
    const { source, destination, evidence } = connection;
    const refused = profile.refused.find((pattern) => matchesPattern(pattern, connection));
    if (refused) return { because: 'deny-list', message: "the profile's list of refused connections names it" };
    if (profile.accepted.some((pattern) => matchesPattern(pattern, connection))) return undefined;

    const listed = suspiciousDestinations.find((suspicious) => isListed(suspicious, connection));
    if (listed) return { because: listed.because, message: listed.message };

    const of = habits.of(source);
    if (of && of.failedTargets >= profile.scanTargets) {
      const duringScan = evidence.bins.every((bin) => of.failedBins.get(evidence.binMs)?.has(bin));
      if (failed(connection, habits.answering) || duringScan) {
        return {
          because: 'scan',
          message: `its source tried ${of.failedTargets} targets that did not answer or were denied, and this one was seen only meanwhile`,
        };
      }
    }
    const workload = workloadOf(source, cluster);
    if (workload && of && isApiServer(destination)) return newApiServerClient(workload, evidence.firstMs - of.firstMs);
    if (!workload || !of) return undefined;
    const seesAll = evidence.sources.some((kind) => clusterWideSources.includes(kind));
    const pods = seesAll ? running.get(workload.key) : undefined;
    const atWork = pods === undefined ? of.replicas : Math.min(pods, replicaLimit);
    return singleReplica(connection, workload, atWork);
  };
}

const flowSourceSet: ReadonlySet<FlowSourceKind> = new Set(flowSourceKinds);

/**
 * Running pods of each workload by the inventory: for a source that sees the whole cluster, replicas are at work also where
 * no flow showed them, so that less evidence of the others never clears the one. A source that sees one node (conntrack)
 * cannot speak for the replicas on others.
 */
function runningPods({ pods }: Cluster): ReadonlyMap<WorkloadKey, number> {
  const running = new Map<WorkloadKey, number>();
  for (const { workload, phase, virtual } of pods) {
    if (phase === 'Running' && !virtual) running.set(workload, (running.get(workload) ?? 0) + 1);
  }
  return running;
}

function workloadOf(endpoint: Endpoint, cluster: Cluster): Workload | undefined {
  return endpoint.kind === 'workload' ? cluster.workloads.get(endpoint.workload) : undefined;
}

/** Denied, refused, or a single packet without an answer where answers can be seen. */
function failed(connection: Connection, answering: ReadonlySet<FlowSourceKind>): boolean {
  const { answered, allowed, denied, sources } = connection.evidence;
  if (!connection.directed || !hasPassed(connection)) return denied > 0 || answered === 'no';
  if (answered !== 'unknown') return answered === 'no';
  return allowed <= 1 && sources.every((kind) => answering.has(kind));
}

function isListed({ addresses, protocol, ports }: SuspiciousDestination, connection: Connection): boolean {
  if (connection.protocol !== protocol || !ports.includes(connection.port)) return false;
  const { destination } = connection;
  if (addresses === 'any') return true;
  if (addresses === 'node') return destination.kind === 'node';
  return destination.kind === 'external' && addresses.includes(destination.address);
}

function newApiServerClient({ serviceAccount, mountsApiToken }: Workload, afterMs: number): Suspicion | undefined {
  const because = 'new-apiserver-client';
  if (!mountsApiToken) return { because, message: 'it calls the API server although its pods mount no API token' };
  if (serviceAccount === 'default') {
    return { because, message: 'it calls the API server without a service account of its own' };
  }
  if (afterMs <= newApiServerClientAfterMs) return undefined;
  return {
    because,
    message: `it first called the API server ${Math.floor(afterMs / 3_600_000)} hours after it was first seen`,
  };
}

/** One replica of several at work makes every sighting, more often than chance would have it. */
function singleReplica(
  { destination, evidence }: Connection,
  workload: Workload,
  replicas: number,
): Suspicion | undefined {
  if (evidence.clientReplicas !== 1 || replicas < 2 || kindsWithUnequalReplicas.includes(workload.kind))
    return undefined;
  if (destination.kind === 'workload' && destination.workload === workload.key) return undefined;
  // of what never passed, the attempts are judged
  const sightings = evidence.allowed + evidence.audited || evidence.denied;
  if (replicas ** (1 - sightings) >= singleReplicaChance) return undefined;
  const { name } = parseWorkloadKey(workload.key);
  return {
    because: 'single-replica',
    message: `one replica of ${name} made all ${sightings} connections, the others none`,
  };
}
