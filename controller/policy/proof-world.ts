import { type LabelSelector, matchesSelector } from '../model/label-selector.ts';
import type { NetworkPolicy } from '../model/network-policy.ts';
import type { Profile } from '../model/profile.ts';
import type { WorkloadKey } from '../model/workload.ts';
import { type CniProfile, cniProfile } from './cni-profiles.ts';
import { managedLabels } from './dialects/ordered.ts';
import type { ClusterIndex } from './evaluate/cluster-index.ts';
import { compilePolicies } from './evaluate/compile-policies.ts';
import { type Evaluation, evaluation } from './evaluate/evaluation.ts';
import { RuleMatching } from './evaluate/rule-matching.ts';

/** What all proofs of a run share, so that each of them costs only what its own workload has. */
export interface ProofWorld {
  readonly index: ClusterIndex;
  readonly cni: CniProfile;
  readonly profile: Profile;
  /** The policies that people wrote and that stay in force beside proposals. */
  readonly inForce: readonly NetworkPolicy[];
  readonly existing: Evaluation;
  /** The node that has an address of the API server, by each address of its own. */
  readonly apiServerNodes: ReadonlyMap<string, string>;
  /** Names of the namespaces that a selector selects, ascending. */
  namespacesOf(selector: LabelSelector): readonly string[];
}

/** `policies` are those of the cluster; nanoseg's own are left out, because a proposal takes their place. */
export function proofWorld(index: ClusterIndex, policies: readonly NetworkPolicy[], profile: Profile): ProofWorld {
  const cni = cniProfile(profile.cni, index.cluster);
  const inForce = policies.filter(({ metadata }) => !isManaged(metadata.labels ?? {}));
  const { namespaces, nodes, apiServer } = index.cluster;
  const selected = new Map<string, readonly string[]>();
  return {
    index,
    cni,
    profile,
    inForce,
    existing: evaluation(index, compilePolicies(index, inForce), cni),
    apiServerNodes: new Map(
      nodes.flatMap(({ name, ips }) =>
        ips.some((ip) => apiServer.ips.includes(ip)) ? ips.map((ip) => [ip, name]) : [],
      ),
    ),
    namespacesOf: (selector) => {
      const key = JSON.stringify(selector);
      let names = selected.get(key);
      if (!names) {
        const matching = [...namespaces.values()].filter(({ labels }) => matchesSelector(selector, labels));
        selected.set(key, (names = matching.map(({ name }) => name).sort()));
      }
      return names;
    },
  };
}

/** What stays in force beside policies of these names: all but those of the same name, which they replace. */
export function stayingInForce(
  { index, cni, inForce, existing }: ProofWorld,
  namespace: string,
  names: readonly string[],
): Evaluation {
  const stays = ({ metadata }: NetworkPolicy) => metadata.namespace !== namespace || !names.includes(metadata.name);
  if (inForce.every(stays)) return existing;
  return evaluation(index, compilePolicies(index, inForce.filter(stays)), cni);
}

/** The same policies under other facts of a network plugin. */
export function underFacts({ index, compiled, pool, views }: Evaluation, cni: CniProfile): Evaluation {
  return { index, compiled, cni, pool, views, matching: new RuleMatching(index, compiled, cni, pool) };
}

/** What the rules themselves admit, and not what the network plugin lets nodes do whatever the rules say. */
export function withoutExemptions(own: Evaluation): Evaluation {
  return underFacts(own, { ...own.cni, ownNodeExempt: 'no', anyNodeExempt: 'no' });
}

export function isIsolated({ views }: Evaluation, direction: 'ingress' | 'egress', workload: WorkloadKey): boolean {
  return views.of({ kind: 'workload', workload }).every(({ isolatedBy }) => isolatedBy[direction].length > 0);
}

export function isManaged(labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(managedLabels).every(([key, value]) => labels[key] === value);
}
