import { Analyst, type AnalysedProposal, type AnalysedRefusal } from './loop/analyst.ts';
import { clusterStudy } from './loop/cluster-study.ts';
import type { ObservationWindow } from './graph/graph-delta.ts';
import type { ObservedTraffic } from './learning/readiness.ts';
import type { Cluster } from './model/cluster.ts';
import type { Profile } from './model/profile.ts';
import type { NoEvidence } from './model/proposal.ts';
import type { WorkloadKey } from './model/workload.ts';
import type { Dialect } from './policy/dialects/dialect.ts';
import { subjectsOf } from './policy/synthesize.ts';

export type { AnalysedProposal, ProvedPolicy } from './loop/analyst.ts';

export interface AnalysisInput {
  readonly cluster: Cluster;
  readonly traffic: ObservedTraffic;
  readonly profile: Profile;
  readonly dialect: Dialect;
  /** Whether the YAML carries a comment over each rule. */
  readonly comments: boolean;
  /** Only workloads of these namespaces, even exempt ones; empty: all that are not exempt. */
  readonly namespaces: readonly string[];
  /** Called after each workload. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface Analysis {
  readonly window: ObservationWindow;
  /** Ascending by workload, like the lists after it. */
  readonly proposals: readonly AnalysedProposal[];
  /** A joint policy stands at the first of its workloads. */
  readonly refusals: readonly AnalysedRefusal[];
  readonly withoutEvidence: readonly NoEvidence[];
  /** Workloads of exempt namespaces, which get no proposals. */
  readonly exempt: readonly WorkloadKey[];
}

/** From the traffic graph to proved policies, one workload at a time; the same input gives the same bytes. */
export function analyse(input: AnalysisInput): Analysis {
  const { cluster, profile, namespaces, onProgress } = input;
  const subjects = chosenSubjects(cluster, profile, namespaces);
  // who is exempt was decided by the choice of subjects
  const whole: Profile = { ...profile, exemptNamespaces: [] };
  const { traffic, dialect, comments } = input;
  const study = clusterStudy(cluster);
  const analyst = new Analyst({ study, traffic, profileOf: () => whole, dialect, comments, nowMs: 0 });

  const proposals: AnalysedProposal[] = [];
  const refusals: AnalysedRefusal[] = [];
  const withoutEvidence: NoEvidence[] = [];
  const exempt: WorkloadKey[] = [];
  const joints = new Set<unknown>();
  for (const [done, key] of subjects.entries()) {
    const result = analyst.of(key);
    switch (result.kind) {
      case 'proposal':
        proposals.push(result);
        break;
      case 'refusal':
        refusals.push(joints.has(result.joint) ? { ...result, joint: undefined } : result);
        joints.add(result.joint);
        break;
      case 'no-evidence':
        withoutEvidence.push(result);
        break;
      case 'exempt':
        exempt.push(result.workload);
        break;
    }
    onProgress?.(done + 1, subjects.length);
  }
  const chosen = new Set(subjects);
  for (const { namespace, key } of cluster.workloads.values()) {
    if (profile.exemptNamespaces.includes(namespace) && !chosen.has(key)) exempt.push(key);
  }
  return { window: analyst.window, proposals, refusals, withoutEvidence, exempt: exempt.sort() };
}

function chosenSubjects(cluster: Cluster, profile: Profile, namespaces: readonly string[]): WorkloadKey[] {
  if (namespaces.length === 0) return subjectsOf(cluster, profile);
  return subjectsOf(cluster, { ...profile, exemptNamespaces: [] }).filter((key) =>
    namespaces.includes(cluster.workloads.get(key)?.namespace ?? ''),
  );
}
