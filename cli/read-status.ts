import { counted } from '../controller/model/counted.ts';
import type { Cluster } from '../controller/model/cluster.ts';
import type { Labels } from '../controller/model/label-selector.ts';
import type { NetworkPolicy } from '../controller/model/network-policy.ts';
import type { PolicyProposal } from '../controller/model/policy-proposal.ts';
import type { Mode, PodCoverage, ProfileStatus } from '../controller/model/profile.ts';
import { managedLabels } from '../controller/policy/dialects/ordered.ts';
import { indexCluster } from '../controller/policy/evaluate/cluster-index.ts';
import { expiresAnnotation } from '../controller/policy/learning-allowance.ts';
import { defaultDenyName } from '../controller/policy/policy-names.ts';
import { allowanceForAnnotation } from '../controller/reconcile/plan-allowances.ts';
import { type NamespaceCoverage, podCoverage } from '../controller/reconcile/pod-coverage.ts';
import type { Connection } from './connection.ts';
import { type ControllerStatus, controllerStatus } from './controller-status.ts';
import { clusterProfile, profileFrom, type StoredProfile, storedOf } from './effective-profile.ts';
import { type EffectiveProfile } from '../controller/view/effective-profile.ts';
import { listProposals } from './list-proposals.ts';
import { whatMayBeRead } from './permitted.ts';
import { proposalName } from '../controller/view/proposal-names.ts';
import { stopReason } from './stop-annotation.ts';
import { storedCluster } from './stored-cluster.ts';

/** What `nanoseg status` says; its shape is documented in docs/cli.md. */
export interface OperationStatus {
  readonly server: string;
  readonly controller: ControllerStatus;
  /** Kill switches that are thrown; without a namespace: the one of the whole cluster. */
  readonly stopped: readonly { readonly namespace?: string; readonly reason: string }[];
  readonly sources: NonNullable<ProfileStatus['sources']>;
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

export async function readStatus(connection: Connection, nowMs: number): Promise<OperationStatus> {
  const { store, namespace: only, systemNamespace } = connection;
  const proposals = await listProposals(store, only);
  const whole = await clusterProfile(store, systemNamespace);
  const cluster = await storedCluster(store);
  const readable = 'unreadable' in cluster ? undefined : cluster;
  const profiles = await whatMayBeRead(store.list<StoredProfile>('SegmentationProfile', only), []);
  const own = new Map(
    profiles
      .filter(({ metadata }) => metadata.name === 'default' && metadata.namespace !== systemNamespace)
      .map((profile) => [profile.metadata.namespace ?? '', profile]),
  );
  const names = new Set([
    ...(readable?.namespaces.keys() ?? []),
    ...proposals.map(({ metadata }) => metadata.namespace),
    ...own.keys(),
  ]);
  const shown = [...names].filter((name) => only === undefined || name === only).sort();
  const objects =
    only === undefined
      ? await whatMayBeRead(store.list('Namespace'), [])
      : [await whatMayBeRead(store.get({ kind: 'Namespace', namespace: '', name: only }), undefined)];
  const namespaces = new Map(objects.flatMap((object) => (object ? [[object.metadata.name, object]] : [])));
  const effective = new Map(shown.map((name) => [name, profileFrom(whole, own.get(name), namespaces.get(name))]));
  const coverage =
    readable &&
    coverageOf(readable, proposals, (namespace) => {
      return effective.get(namespace) ?? profileFrom(whole, own.get(namespace), undefined);
    });
  // also where the profile itself cannot be read, its switch can
  const stopping = profiles.find(
    ({ metadata }) => metadata.name === 'default' && metadata.namespace === systemNamespace,
  );
  const everywhere = stopReason(storedOf(whole) ?? stopping);
  return {
    server: store.name,
    controller: await controllerStatus(connection, nowMs),
    stopped: [
      ...(everywhere === undefined ? [] : [{ reason: everywhere }]),
      ...[...namespaces].flatMap(([namespace, object]) => {
        const reason = stopReason(object);
        return reason === undefined ? [] : [{ namespace, reason }];
      }),
    ],
    sources: storedOf(whole)?.status?.sources ?? [],
    namespaces: shown.map((namespace) => {
      const { profile, mode, origin } = effective.get(namespace) as EffectiveProfile;
      const exempt = profile.exemptNamespaces.includes(namespace);
      return {
        namespace,
        mode: exempt ? 'exempt' : mode,
        identity: profile.approvals.identity === 'claimed' ? 'Claimed' : 'Stamped',
        profile: origin,
        coverage: coverage ? (coverage.get(namespace) ?? null) : (own.get(namespace)?.status?.coverage ?? null),
        proposals: stateCounts(proposals.filter(({ metadata }) => metadata.namespace === namespace)),
        closed: readable ? readable.policies.some((policy) => isClosing(policy, namespace)) : null,
        learning: (readable?.policies ?? []).flatMap((policy) => allowance(policy, namespace)),
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
