import { counted } from '../model/counted.ts';
import type { Cluster } from '../model/cluster.ts';
import type { Labels } from '../model/label-selector.ts';
import type { NetworkPolicy } from '../model/network-policy.ts';
import type { PolicyProposal } from '../model/policy-proposal.ts';
import type { Mode, PodCoverage, ProfileStatus, StreamsStatus } from '../model/profile.ts';
import { managedLabels } from '../policy/dialects/ordered.ts';
import { indexCluster } from '../policy/evaluate/cluster-index.ts';
import { expiresAnnotation } from '../policy/learning-allowance.ts';
import { defaultDenyName } from '../policy/policy-names.ts';
import { allowanceForAnnotation } from '../reconcile/plan-allowances.ts';
import { type NamespaceCoverage, podCoverage } from '../reconcile/pod-coverage.ts';
import type { ReadableCluster } from './decision-changes.ts';
import type { EffectiveProfile } from './effective-profile.ts';
import { proposalName } from './proposal-names.ts';

/** Whether a controller leads. */
export interface ControllerStatus {
  /** `silent`: the lease is held, and was not renewed in time. */
  readonly state: 'running' | 'silent' | 'none' | 'unknown';
  readonly holder: string | null;
  /** RFC 3339. */
  readonly renewedAt: string | null;
  readonly message: string;
}

/** What `nanoseg status` says; its shape is documented in docs/cli.md. */
export interface OperationStatus {
  readonly server: string;
  readonly controller: ControllerStatus;
  /** Kill switches that are thrown; without a namespace: the one of the whole cluster. */
  readonly stopped: readonly { readonly namespace?: string; readonly reason: string }[];
  readonly sources: NonNullable<ProfileStatus['sources']>;
  /** How several processes share the work over Redis; null: they do not, or it is not known. */
  readonly streams: StreamsStatus | null;
  readonly namespaces: readonly NamespaceStatus[];
  readonly problems: readonly { readonly where: string; readonly message: string }[];
}

/** With the workloads of each reason, where the pods could be read. */
export type ShownCoverage = PodCoverage | NamespaceCoverage;

export interface NamespaceStatus {
  readonly namespace: string;
  readonly mode: Mode | 'exempt' | 'unknown';
  /** Claimed: approvals count there although nobody checks who gave them. */
  readonly identity: 'Stamped' | 'Claimed';
  /** The profile that says so. */
  readonly profile: string;
  /** Null where there are no pods; as the controller last wrote it, or null, where they cannot be read. */
  readonly coverage: ShownCoverage | null;
  /** How many proposals are in which state. */
  readonly proposals: Readonly<Record<string, number>>;
  /** Whether nanoseg's default-deny is in force, so that what comes new is denied; null: the policies cannot be read. */
  readonly closed: boolean | null;
  /** New workloads of a closed namespace that may talk to everybody until then. */
  readonly learning: readonly { readonly workload: string; readonly policy: string; readonly until: string }[];
}

/** What a status is made of. */
export interface StatusInput {
  readonly server: string;
  readonly controller: ControllerStatus;
  readonly stopped: OperationStatus['stopped'];
  readonly sources: OperationStatus['sources'];
  readonly streams: StreamsStatus | undefined;
  /** Those that it is about. */
  readonly namespaces: readonly string[];
  readonly proposals: readonly PolicyProposal[];
  readonly cluster: ReadableCluster;
  /** Policies with their annotations, where those of the cluster have none. */
  readonly policies?: readonly NetworkPolicy[];
  /** Also for namespaces that it is not about. */
  readonly effectiveOf: (namespace: string) => EffectiveProfile;
  /** As the controller last wrote it. */
  readonly writtenCoverage: (namespace: string) => PodCoverage | undefined;
}

export function operationStatus(input: StatusInput): OperationStatus {
  const { server, controller, stopped, sources, namespaces, proposals, cluster, effectiveOf, writtenCoverage } = input;
  const readable = 'unreadable' in cluster ? undefined : cluster;
  const policies = input.policies ?? readable?.policies ?? [];
  const effective = new Map(namespaces.map((name) => [name, effectiveOf(name)]));
  const coverage = readable && coverageOf(readable, proposals, effectiveOf);
  return {
    server,
    controller,
    stopped,
    sources,
    streams: input.streams ?? null,
    namespaces: namespaces.map((namespace) => {
      const { profile, mode, origin } = effective.get(namespace) as EffectiveProfile;
      const exempt = profile.exemptNamespaces.includes(namespace);
      return {
        namespace,
        mode: exempt ? 'exempt' : mode,
        identity: profile.approvals.identity === 'claimed' ? 'Claimed' : 'Stamped',
        profile: origin,
        coverage: coverage ? (coverage.get(namespace) ?? null) : (writtenCoverage(namespace) ?? null),
        proposals: stateCounts(proposals.filter(({ metadata }) => metadata.namespace === namespace)),
        closed: readable ? policies.some((policy) => isClosing(policy, namespace)) : null,
        learning: policies.flatMap((policy) => allowance(policy, namespace)),
      };
    }),
    problems: [
      ...('unreadable' in cluster ? [{ where: '', message: `pods are not counted: ${cluster.unreadable}` }] : []),
      ...profileProblems(effective),
      ...proposals.flatMap(proposalProblems),
    ],
  };
}

/** Each once, although what is wrong with the profile of the cluster is wrong for every namespace. */
function profileProblems(effective: ReadonlyMap<string, EffectiveProfile>): OperationStatus['problems'] {
  const problems = [...effective.values()].flatMap((one) => one.problems);
  return [...new Map(problems.map(({ where, message }) => [`${where} ${message}`, { where, message }])).values()];
}

function coverageOf(
  cluster: Cluster,
  proposals: readonly PolicyProposal[],
  effectiveOf: (namespace: string) => EffectiveProfile,
): Map<string, NamespaceCoverage> {
  const found = podCoverage({
    index: indexCluster(cluster),
    proposals,
    profileOf: (namespace) => {
      const { profile, origin, problems } = effectiveOf(namespace);
      return { profile, origin, problem: problems[0] };
    },
    // only the controller has seen the traffic
    whyNone: () => 'nothing was seen of it that a policy could be made from, or no label tells it apart',
  });
  return new Map(found.map((one) => [one.namespace, one]));
}

function isClosing({ metadata }: NetworkPolicy, namespace: string): boolean {
  return metadata.namespace === namespace && metadata.name === defaultDenyName && isManaged(metadata.labels);
}

function allowance({ metadata }: NetworkPolicy, namespace: string): NamespaceStatus['learning'] {
  const { [allowanceForAnnotation]: workload, [expiresAnnotation]: until } = metadata.annotations ?? {};
  if (metadata.namespace !== namespace || workload === undefined || until === undefined) return [];
  return [{ workload, policy: metadata.name, until }];
}

function isManaged(labels: Labels | undefined): boolean {
  return Object.entries(managedLabels).every(([key, value]) => labels?.[key] === value);
}

function stateCounts(proposals: readonly PolicyProposal[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status } of proposals) {
    const state = status?.state ?? 'New';
    counts[state] = (counts[state] ?? 0) + 1;
  }
  return counts;
}

function proposalProblems(proposal: PolicyProposal): { readonly where: string; readonly message: string }[] {
  const { status } = proposal;
  if (status === undefined) return [];
  const { state, message, drift, deviations, conditions, approvals } = status;
  const denied = deviations.filter(({ verdict }) => verdict === 'denied').length;
  const messages = [
    ...(state === 'Invalid' || state === 'RolledBack' ? [`${state}: ${message}`] : []),
    ...(drift ? [`${drift.policy} drifted: ${drift.message}`] : []),
    ...conditions
      .filter(({ type, status: holds }) => holds === 'True' && (type === 'NotEnforced' || type === 'LearningAllowance'))
      .map((condition) => `${condition.type}: ${condition.message}`),
    ...(denied > 0 ? [`${counted(denied, 'deviation')} denied: nanoseg deviations lists them`] : []),
    // of a proposal that nothing is awaited for, they are history
    ...(state === 'Ready' || state === 'Learning' ? approvals.ignored : []).map(
      ({ approval, because }) => `approval ${approval} counts for nothing: ${because}`,
    ),
  ];
  return messages.map((each) => ({ where: proposalName(proposal), message: each }));
}
