import { counted } from '../model/counted.ts';
import type { KubernetesObject } from '../model/kubernetes-object.ts';
import type { PodCoverage, ProfileStatus, SourceState, StreamsStatus } from '../model/profile.ts';
import { podCoverage, totalCoverage } from '../reconcile/pod-coverage.ts';
import { conditionsOf } from '../reconcile/conditions.ts';
import type { AuditRecord, ClusterView, ObjectStore } from '../ports.ts';
import type { ProposalStudy } from './proposal-study.ts';
import type { SourceHealth } from '../intake/source-figures.ts';

interface StoredProfile extends KubernetesObject {
  readonly status?: ProfileStatus;
}

/** Profiles are namespaced, and the one of this name is in force. */
const profileInForce = 'default';

export interface ProfileRound {
  readonly view: ClusterView;
  readonly store: ObjectStore;
  readonly study: ProposalStudy;
  readonly ownNamespace: string;
  readonly controller: string;
  readonly sources: readonly SourceHealth[];
  /** Undefined: the work is not shared. */
  readonly streams: StreamsStatus | undefined;
  readonly assertMayWrite: () => void;
  readonly nowMs: number;
}

/**
 * Says in the status of each profile in force whether it can be used and how far its namespace, or the cluster, is; answers
 * with what auditors are to know: which profiles were changed since they were last looked at.
 */
export async function tendProfiles(round: ProfileRound): Promise<AuditRecord[]> {
  const { view, store, assertMayWrite } = round;
  if (view.stopped() !== undefined) return [];
  const records: AuditRecord[] = [];
  const coverage = coverageOf(round);
  for (const profile of await store.list<StoredProfile>('SegmentationProfile')) {
    const { namespace = '', name, generation = 1 } = profile.metadata;
    if (name !== profileInForce || view.stopped(namespace) !== undefined) continue;
    const status = statusOf(profile, coverage, round);
    if (profile.status?.observedGeneration !== generation) records.push(changeRecord(profile, round));
    if (JSON.stringify(withoutTimes(status)) === JSON.stringify(withoutTimes(profile.status))) continue;
    assertMayWrite();
    await store.updateStatus({ ...profile, status });
  }
  return records;
}

function coverageOf({ view, study }: ProfileRound): ReadonlyMap<string, PodCoverage> {
  const namespaces = podCoverage({
    index: study.cluster.index,
    proposals: view.proposals(),
    profileOf: (namespace) => view.profileOf(namespace),
    whyNone: (workload) => study.whyNone(workload),
  });
  const whole = ['', reasons(totalCoverage(namespaces))] as const;
  return new Map([whole, ...namespaces.map((one) => [one.namespace, reasons(one)] as const)]);
}

function reasons({ pods, isolatedIngress, isolatedEgress, open }: PodCoverage): PodCoverage {
  const why = open.map(({ because, pods: count }) => ({ because, pods: count }));
  return { pods, isolatedIngress, isolatedEgress, open: why };
}

function statusOf(
  { metadata, status: former }: StoredProfile,
  coverage: ReadonlyMap<string, PodCoverage>,
  { view, ownNamespace, controller, sources, streams, nowMs }: ProfileRound,
): ProfileStatus {
  const { namespace = '', generation = 1 } = metadata;
  const whole = namespace === ownNamespace;
  const { problem } = whole ? view.clusterProfile() : view.profileOf(namespace);
  const covered = coverage.get(whole ? '' : namespace);
  const valid = {
    type: 'Valid',
    status: problem === undefined ? 'True' : 'False',
    reason: problem === undefined ? 'Usable' : problem.code,
    message: problem?.message ?? 'every field can be used',
  } as const;
  return {
    observedGeneration: generation,
    controller,
    ...(covered === undefined ? {} : { coverage: covered }),
    ...(whole ? { sources: sources.map(sourceStatus), ...(streams && { streams }) } : {}),
    conditions: conditionsOf([valid], former?.conditions ?? [], new Date(nowMs).toISOString(), generation),
  };
}

const sourceWords: Readonly<Record<SourceHealth['state'], SourceState>> = {
  running: 'Connected',
  ended: 'Connected',
  retrying: 'Waiting',
  failed: 'Failed',
};

/** How a source fares, as resources and the API say it. */
export function sourceStatus({ name, state, message }: SourceHealth) {
  return { name, state: sourceWords[state], message: message === '' ? state : message };
}

function changeRecord({ metadata, status }: StoredProfile, { view, ownNamespace, nowMs }: ProfileRound): AuditRecord {
  const { namespace = '', name, generation = 1 } = metadata;
  const { profile, problem } = namespace === ownNamespace ? view.clusterProfile() : view.profileOf(namespace);
  const { required, identity, automatic } = profile.approvals;
  const means = problem
    ? `it cannot be used: ${problem.message}`
    : `mode ${profile.mode}, ${counted(required, 'approver')}, ${identity} approvals, ${counted(automatic.length, 'rule')} to approve by itself, drift: ${profile.drift}`;
  const how = status === undefined ? 'read for the first time' : 'changed';
  return {
    timeMs: nowMs,
    actor: 'a person',
    action: 'ConfigurationChanged',
    subject: { kind: 'SegmentationProfile', namespace, name },
    message: `${how}, generation ${generation}: ${means}`,
  };
}

function withoutTimes(status: ProfileStatus | undefined): unknown {
  if (status === undefined) return undefined;
  return { ...status, conditions: status.conditions.map((condition) => ({ ...condition, lastTransitionTime: '' })) };
}
