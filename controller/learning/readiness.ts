import type { ObservationWindow } from '../graph/graph-delta.ts';
import type { Cluster, Pod } from '../model/cluster.ts';
import { type Connection, type ConnectionId, isEvidence } from '../model/connection.ts';
import type { ConnectionSource } from '../model/connection-source.ts';
import { counted } from '../model/counted.ts';
import { endpointId } from '../model/endpoint.ts';
import type { LearningThresholds, Profile } from '../model/profile.ts';
import type { Workload, WorkloadKey } from '../model/workload.ts';
import { type CoverageEstimate, estimateCoverage, fewestBins } from './coverage.ts';
import { evidenceQuality, percent, type QualityFinding } from './evidence-quality.ts';
import { nodeBeginnings } from './node-beginnings.ts';
import { missedRun, missedStart, missedWeekdays, type Span } from './obligations.ts';
import { speciesCounts } from './species.ts';

/** Whether enough was seen of a workload to write its policy, and all that is missing, in words. */
export interface Readiness {
  readonly workload: WorkloadKey;
  readonly state: 'ready' | 'learning';
  /** Estimated share already seen, 0 to 1. */
  readonly coverage: number | 'unknown';
  /** Estimated least number of connections not seen yet. */
  readonly unseen: number | 'unknown';
  /** Empty exactly when ready. */
  readonly missing: readonly MissingPart[];
  /** What a reader of the figures should know. */
  readonly notes: readonly string[];
}

interface MissingPart {
  readonly code:
    | QualityFinding['code']
    | 'no-evidence'
    | 'window'
    | 'weekday'
    | 'coverage'
    | 'cronjob'
    | 'start-up'
    | 'unattributed'
    | 'undirected';
  readonly message: string;
}

/** What readiness needs of the traffic graph. */
export interface ObservedTraffic extends ConnectionSource {
  observation(): ObservationWindow;
}

/** All that the workloads of one cluster share when their readiness is judged; make it once. */
export interface Learning {
  readonly traffic: ObservedTraffic;
  readonly cluster: Cluster;
  readonly profile: Profile;
  readonly window: ObservationWindow;
  readonly podsOf: ReadonlyMap<WorkloadKey, readonly Pod[]>;
  /** Runs that are missing, by namespace. */
  readonly missedRuns: ReadonlyMap<string, readonly MissingPart[]>;
  /** What is wrong with the observation of these nodes. */
  readonly qualityOf: (nodes: readonly string[]) => readonly QualityFinding[];
}

export function prepareLearning(traffic: ObservedTraffic, cluster: Cluster, profile: Profile): Learning {
  const window = traffic.observation();
  const podsOf = Map.groupBy(cluster.pods, ({ workload }) => workload);
  const missedRuns = new Map<string, MissingPart[]>();
  if (window.span !== undefined && profile.learning.cronJobs) {
    for (const cronJob of cluster.workloads.values()) {
      if (cronJob.schedule === undefined) continue;
      const lastSeenMs = lastSeen(traffic.connectionsOf(cronJob.key));
      const message = missedRun(cronJob, podsOf.get(cronJob.key) ?? [], lastSeenMs, window.span);
      if (message === undefined) continue;
      const inNamespace = missedRuns.get(cronJob.namespace) ?? [];
      missedRuns.set(cronJob.namespace, [...inNamespace, { code: 'cronjob', message }]);
    }
  }
  const { loss, windowMs } = profile.learning;
  const sinceMs = window.span === undefined ? 0 : window.span.lastMs - windowMs;
  const qualityOf = evidenceQuality(window, { loss, sinceMs }, nodeBeginnings(cluster));
  return { traffic, cluster, profile, window, podsOf, missedRuns, qualityOf };
}

/**
 * Ready when coverage passes, no obligation is open, the window has passed and the observation had no hole. `heldBack`
 * connections are not counted: else a scanner, whose every probe is new, would keep its victims from being ready.
 */
export function readinessOf(
  workload: Workload,
  learning: Learning,
  heldBack: ReadonlySet<ConnectionId> = new Set(),
): Readiness {
  const { traffic, cluster, profile, window, podsOf, missedRuns, qualityOf } = learning;
  const { span } = window;
  const connections = traffic.connectionsOf(workload.key);
  const evidence = connections.filter((connection) => isEvidence(connection) && !heldBack.has(connection.id));
  if (span === undefined || evidence.length === 0) {
    const missing: MissingPart[] = [{ code: 'no-evidence', message: 'no traffic of it has been seen' }];
    return { workload: workload.key, state: 'learning', coverage: 'unknown', unseen: 'unknown', missing, notes: [] };
  }
  const pods = podsOf.get(workload.key) ?? [];
  const bins = Math.floor(span.lastMs / window.binMs) - Math.floor(span.firstMs / window.binMs) + 1;
  const counts = speciesCounts(workload.key, evidence, cluster, profile.external);
  const estimate = estimateCoverage({ bins, counts }, profile.learning.bins);
  const missing = [
    ...windowParts(profile.learning, span),
    ...coverageParts(profile.learning, estimate, bins),
    ...(missedRuns.get(workload.namespace) ?? []),
    ...startUpParts(profile.learning, workload, pods, span),
    ...qualityOf(nodesOf(pods)),
    ...unattributedParts(connections, profile.learning.loss),
    ...undirectedParts(connections),
  ];
  const folded = evidence.filter((connection) => connection.evidence.binMs > window.binMs).length;
  const notes =
    folded === 0
      ? []
      : [
          `${folded} of ${counted(evidence.length, 'connection')} ${folded === 1 ? 'was' : 'were'} seen too often to keep every time; the coverage is at least this`,
        ];
  return {
    workload: workload.key,
    state: missing.length === 0 ? 'ready' : 'learning',
    coverage: estimate === 'unknown' ? estimate : estimate.coverage,
    unseen: estimate === 'unknown' ? estimate : estimate.unseen,
    missing,
    notes,
  };
}

/** Last traffic of these connections, in ms since 1970. */
export function lastSeen(connections: readonly Connection[]): number | undefined {
  return connections.length === 0 ? undefined : Math.max(...connections.map(({ evidence }) => evidence.lastMs));
}

/** Names of the nodes that the pods run or ran on. */
export function nodesOf(pods: readonly Pod[]): string[] {
  return [...new Set(pods.flatMap(({ node }) => (node === undefined ? [] : [node])))];
}

function windowParts({ windowMs, weekdays }: LearningThresholds, span: Span): MissingPart[] {
  const seenMs = span.lastMs - span.firstMs;
  const parts: MissingPart[] = [];
  if (seenMs < windowMs) {
    const message = `the flows span ${duration(seenMs)} of the ${duration(windowMs)} that the profile asks for`;
    parts.push({ code: 'window', message });
  }
  for (const day of missedWeekdays(weekdays, span)) {
    parts.push({ code: 'weekday', message: `the window holds no whole ${day}` });
  }
  return parts;
}

function coverageParts(
  thresholds: LearningThresholds,
  estimate: CoverageEstimate | 'unknown',
  bins: number,
): MissingPart[] {
  if (estimate === 'unknown') {
    const message = `the coverage is unknown: the window has ${counted(bins, 'time bin')}, an estimate needs ${Math.max(thresholds.bins, fewestBins)}`;
    return [{ code: 'coverage', message }];
  }
  if (estimate.coverage >= thresholds.coverage) return [];
  const message =
    `the coverage is ${percent(estimate.coverage)} of the ${percent(thresholds.coverage)} that the profile asks for; ` +
    `at least ${counted(Math.max(1, Math.ceil(estimate.unseen)), 'connection is', 'connections are')} probably still to come`;
  return [{ code: 'coverage', message }];
}

/** A CronJob that ran has started; all others have to be seen starting. */
function startUpParts(
  { startUps }: LearningThresholds,
  workload: Workload,
  pods: readonly Pod[],
  span: Span,
): MissingPart[] {
  if (!startUps || workload.schedule !== undefined) return [];
  const message = missedStart(pods, span);
  return message === undefined ? [] : [{ code: 'start-up', message }];
}

/** Traffic whose other side nobody owns may belong to a workload that the policy would then cut off. */
function unattributedParts(connections: readonly Connection[], limit: number): MissingPart[] {
  const count = ({ evidence }: Connection) => evidence.allowed + evidence.audited;
  const sum = (some: readonly Connection[]) => some.reduce((total, connection) => total + count(connection), 0);
  const unowned = connections.filter(
    (connection) =>
      (connection.source.kind === 'unknown' || connection.destination.kind === 'unknown') && count(connection) > 0,
  );
  const share = sum(unowned) / Math.max(1, sum(connections));
  if (share <= limit) return [];
  const sides = unowned.flatMap(({ source, destination }) => [source, destination]);
  const reasons = new Set(sides.flatMap((side) => (side.kind === 'unknown' ? [side.reason] : [])));
  const message =
    `${sum(unowned)} of its ${counted(sum(connections), 'connection')} (${percent(share)}) ${sum(unowned) === 1 ? 'has' : 'have'} another side ` +
    `that nobody is known to own (${[...reasons].sort().join(', ')})`;
  return [{ code: 'unattributed', message }];
}

/** A pair that was only ever seen without direction is traffic that no rule would be written for. */
function undirectedParts(connections: readonly Connection[]): MissingPart[] {
  const passed = ({ evidence }: Connection) => evidence.allowed + evidence.audited > 0;
  const undirected = connections.filter((one) => !one.directed && passed(one));
  if (undirected.length === 0) return [];
  const pair = ({ source, destination }: Connection) => [endpointId(source), endpointId(destination)].sort().join(' ');
  const directed = new Set(connections.filter(isEvidence).map(pair));
  const blind = undirected.filter((one) => !directed.has(pair(one)));
  if (blind.length === 0) return [];
  const message = `${counted(blind.length, 'connection was', 'connections were')} seen without it being known who opened ${blind.length === 1 ? 'it' : 'them'}, such as ${blind[0]?.id}`;
  return [{ code: 'undirected', message }];
}

function duration(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 6) / 10;
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 2.4) / 10} days`;
}
