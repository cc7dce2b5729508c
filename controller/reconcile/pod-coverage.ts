import type { Pod } from '../model/cluster.ts';
import type { NetworkPolicy } from '../model/network-policy.ts';
import type { PolicyProposal, ProposalStatus } from '../model/policy-proposal.ts';
import type { Mode, PodCoverage } from '../model/profile.ts';
import { type WorkloadKey, workloadKey } from '../model/workload.ts';
import { managedLabels } from '../policy/dialects/ordered.ts';
import { type ClusterIndex, classOfPod, isLive } from '../policy/evaluate/cluster-index.ts';
import { compilePolicies, type Direction } from '../policy/evaluate/compile-policies.ts';
import type { NamespaceProfile } from '../ports.ts';

export interface CoverageQuestion {
  /** Its cluster's policies are those that are stored. */
  readonly index: ClusterIndex;
  readonly proposals: readonly PolicyProposal[];
  readonly profileOf: (namespace: string) => NamespaceProfile;
  /** Why a workload has no proposal, as a clause; undefined: nobody knows. */
  readonly whyNone: (workload: WorkloadKey) => string | undefined;
}

/** `pods` counts those that run, on the network of their node too; `open` is descending by pods. */
export interface NamespaceCoverage extends PodCoverage {
  readonly namespace: string;
  /** Of the pods, those on the network of their node, which no policy selects. */
  readonly hostNetwork: number;
  /** Of the isolated pods of each direction, those that a policy of nanoseg isolates. */
  readonly byNanoseg: Readonly<Record<Direction, number>>;
  readonly open: readonly OpenPods[];
}

export interface OpenPods {
  /** In words; the same words for all pods that are open for the same reason. */
  readonly because: string;
  readonly pods: number;
  /** `namespace/Kind/name`, ascending. */
  readonly workloads: readonly WorkloadKey[];
}

/**
 * How many pods of each namespace are isolated, in which direction and by whom, and why the others are not; ascending by
 * namespace. Where the inventory has no pod at all, because it was read from manifests, each workload counts as one.
 */
export function podCoverage(question: CoverageQuestion): NamespaceCoverage[] {
  const { pods } = question.index.cluster;
  const real = pods.filter(({ virtual }) => !virtual);
  const running = (real.length > 0 ? real : pods).filter((pod) => isLive(pod) && pod.phase === 'Running');
  const namespaces = Map.groupBy(running, ({ namespace }) => namespace);
  const isolation = isolationOf(question.index);
  const states = statesOf(question.proposals);
  return [...namespaces]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([namespace, own]) => coverageOf(namespace, own, isolation, states, question));
}

/** All namespaces together. */
export function totalCoverage(namespaces: readonly NamespaceCoverage[]): Omit<NamespaceCoverage, 'namespace'> {
  const sum = (count: (one: NamespaceCoverage) => number) => namespaces.reduce((total, one) => total + count(one), 0);
  return {
    pods: sum(({ pods }) => pods),
    hostNetwork: sum(({ hostNetwork }) => hostNetwork),
    isolatedIngress: sum(({ isolatedIngress }) => isolatedIngress),
    isolatedEgress: sum(({ isolatedEgress }) => isolatedEgress),
    byNanoseg: { ingress: sum(({ byNanoseg }) => byNanoseg.ingress), egress: sum(({ byNanoseg }) => byNanoseg.egress) },
    open: grouped(namespaces.flatMap(({ open }) => open)),
  };
}

type IsolatedBy = 'nanoseg' | 'others' | 'nobody';
type Isolation = Readonly<Record<Direction, IsolatedBy>>;

const free: Isolation = { ingress: 'nobody', egress: 'nobody' };

function isolationOf(index: ClusterIndex): (pod: Pod) => Isolation {
  const { policies } = index.cluster;
  const { isolating } = compilePolicies(index, policies);
  const by = (direction: Direction, podClass: number): IsolatedBy => {
    const selecting = isolating[direction].get(podClass) ?? [];
    if (selecting.length === 0) return 'nobody';
    return selecting.some(({ id }) => isManaged(policies[id])) ? 'nanoseg' : 'others';
  };
  return (pod) => {
    const podClass = pod.hostNetwork ? undefined : classOfPod(index, pod)?.id;
    return podClass === undefined ? free : { ingress: by('ingress', podClass), egress: by('egress', podClass) };
  };
}

function isManaged(policy: NetworkPolicy | undefined): boolean {
  const labels = policy?.metadata.labels ?? {};
  return Object.entries(managedLabels).every(([key, value]) => labels[key] === value);
}

function coverageOf(
  namespace: string,
  pods: readonly Pod[],
  isolationOfPod: (pod: Pod) => Isolation,
  states: ReadonlyMap<WorkloadKey, ProposalStatus | undefined>,
  question: CoverageQuestion,
): NamespaceCoverage {
  const judged = pods.map((pod) => ({ pod, isolation: isolationOfPod(pod) }));
  const isolated = (direction: Direction, by?: IsolatedBy) =>
    judged.filter(({ isolation }) =>
      by === undefined ? isolation[direction] !== 'nobody' : isolation[direction] === by,
    ).length;
  const open = judged.flatMap(({ pod, isolation }): OpenPods[] => {
    const directions = (['ingress', 'egress'] as const).filter((direction) => isolation[direction] === 'nobody');
    if (directions.length === 0) return [];
    const half = directions.length === 1 ? ` (open for ${directions[0]} only)` : '';
    const because = `${whyOpen(pod, states, question)}${half}`;
    return [{ because, pods: 1, workloads: [pod.workload] }];
  });
  return {
    namespace,
    pods: pods.length,
    hostNetwork: pods.filter(({ hostNetwork }) => hostNetwork).length,
    isolatedIngress: isolated('ingress'),
    isolatedEgress: isolated('egress'),
    byNanoseg: { ingress: isolated('ingress', 'nanoseg'), egress: isolated('egress', 'nanoseg') },
    open: grouped(open),
  };
}

function grouped(open: readonly OpenPods[]): OpenPods[] {
  return [...Map.groupBy(open, ({ because }) => because)]
    .map(([because, same]) => ({
      because,
      pods: same.reduce((sum, { pods }) => sum + pods, 0),
      workloads: [...new Set(same.flatMap(({ workloads }) => workloads))].sort(),
    }))
    .sort((a, b) => b.pods - a.pods || (a.because < b.because ? -1 : 1));
}

/** The status of the proposal that is for a workload; one of its own before a joint one that is superseded. */
function statesOf(proposals: readonly PolicyProposal[]): Map<WorkloadKey, ProposalStatus | undefined> {
  const states = new Map<WorkloadKey, ProposalStatus | undefined>();
  for (const { metadata, spec, status } of proposals) {
    for (const workload of spec.workloads) {
      const slash = workload.indexOf('/');
      const key = workloadKey({
        namespace: metadata.namespace,
        kind: workload.slice(0, slash),
        name: workload.slice(slash + 1),
      });
      if (!states.has(key) || states.get(key)?.state === 'Superseded') states.set(key, status);
    }
  }
  return states;
}

function whyOpen(
  { namespace, workload, hostNetwork }: Pod,
  states: ReadonlyMap<WorkloadKey, ProposalStatus | undefined>,
  { profileOf, whyNone }: CoverageQuestion,
): string {
  if (hostNetwork) return 'host network: policies do not select it';
  const { profile, problem, origin } = profileOf(namespace);
  if (problem !== undefined) return `the profile ${origin} cannot be used, so that the namespace is only observed`;
  if (profile.exemptNamespaces.includes(namespace)) return 'the namespace is exempt';
  if (profile.mode === 'observe') return 'mode observe: there are no proposals';
  if (states.has(workload)) return stateWords(states.get(workload), profile.mode);
  const because = whyNone(workload);
  return because === undefined ? 'no proposal was made yet' : `no proposal: ${because}`;
}

function stateWords(status: ProposalStatus | undefined, mode: Mode): string {
  if (status === undefined) return 'its proposal was not looked at yet';
  const { state, readiness, enforced } = status;
  switch (state) {
    case 'Learning': {
      const missing = [...new Set(readiness.missing.map(({ code }) => code))].sort();
      return `Learning: not enough was seen${missing.length > 0 ? ` (${missing.join(', ')})` : ''}`;
    }
    case 'Ready':
      return enforced === undefined ? 'Ready: waits for approval' : notSelected;
    case 'Approved':
      return mode === 'enforce' ? 'Approved: about to be applied' : `Approved: not applied in mode ${mode}`;
    case 'Enforced':
      return notSelected;
    case 'Rejected':
      return 'Rejected: waits for another version';
    case 'Superseded':
      return 'Superseded: another proposal took its place';
    case 'RolledBack':
      return 'RolledBack: its policies were taken back';
    case 'Invalid':
      return 'Invalid: its proof failed';
  }
}

const notSelected = 'Enforced: its policies are not stored, or do not select these pods';
