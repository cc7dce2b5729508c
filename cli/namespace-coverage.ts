import type { Cluster, Pod } from '../controller/model/cluster.ts';
import { matchesSelector } from '../controller/model/label-selector.ts';
import type { NetworkPolicy, PolicyType } from '../controller/model/network-policy.ts';
import type { PolicyProposal } from '../controller/model/policy-proposal.ts';
import type { PodCoverage } from '../controller/model/profile.ts';
import { parseWorkloadKey } from '../controller/model/workload.ts';
import { isLive } from '../controller/policy/evaluate/cluster-index.ts';
import type { EffectiveProfile } from './effective-profile.ts';

/** Of every namespace with pods: how many are isolated, and why the others are not. */
export function coverageByNamespace(
  cluster: Cluster,
  proposals: readonly PolicyProposal[],
  profiles: ReadonlyMap<string, EffectiveProfile>,
): Map<string, PodCoverage> {
  const pods = Map.groupBy(
    cluster.pods.filter((pod) => isLive(pod) && !pod.virtual),
    ({ namespace }) => namespace,
  );
  const policies = Map.groupBy(cluster.policies, ({ metadata }) => metadata.namespace);
  const states = new Map<string, string>(
    proposals.flatMap(({ metadata, spec, status }) =>
      spec.workloads.map((workload) => [`${metadata.namespace}/${workload}`, status?.state ?? 'New'] as const),
    ),
  );
  return new Map(
    [...pods].map(([namespace, own]) => {
      const judged = own.map((pod) => {
        const selecting = (policies.get(namespace) ?? []).filter(({ spec }) =>
          matchesSelector(spec.podSelector, pod.labels),
        );
        const [ingress, egress] = (['Ingress', 'Egress'] as const).map(
          (type) => !pod.hostNetwork && selecting.some((policy) => isolates(policy, type)),
        );
        const because = ingress && egress ? undefined : whyOpen(pod, profiles.get(namespace), states.get(pod.workload));
        return { ingress, egress, because };
      });
      const reasons = Map.groupBy(
        judged.flatMap(({ because }) => because ?? []),
        (because) => because,
      );
      const coverage: PodCoverage = {
        pods: own.length,
        isolatedIngress: judged.filter(({ ingress }) => ingress).length,
        isolatedEgress: judged.filter(({ egress }) => egress).length,
        open: [...reasons].map(([because, same]) => ({ because, pods: same.length })),
      };
      return [namespace, coverage];
    }),
  );
}

function isolates({ spec }: NetworkPolicy, type: PolicyType): boolean {
  if (spec.policyTypes !== undefined) return spec.policyTypes.includes(type);
  return type === 'Ingress' || (spec.egress?.length ?? 0) > 0;
}

function whyOpen(pod: Pod, effective: EffectiveProfile | undefined, state: string | undefined): string {
  if (pod.hostNetwork) return 'on the network of its node, where no NetworkPolicy holds';
  if (effective?.profile.exemptNamespaces.includes(pod.namespace)) return 'the namespace is exempt';
  if (effective?.mode === 'observe') return 'the mode of the namespace is observe';
  const { kind, name } = parseWorkloadKey(pod.workload);
  const workload = `${kind.toLowerCase()}/${name}`;
  return state === undefined ? `${workload} has no proposal` : `the proposal of ${workload} is ${state}`;
}
