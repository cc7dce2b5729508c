import type { PolicyProposal } from '../model/policy-proposal.ts';

/** `shop/deployment/cart`; of a proposal that is not about one workload its own name, `shop/joint-web`. */
export function proposalName({ metadata, spec }: PolicyProposal): string {
  return `${metadata.namespace}/${workloadWords({ metadata, spec })}`;
}

/** `deployment/cart`, or the name of a proposal that is not about one workload. */
export function workloadWords({ metadata, spec }: Pick<PolicyProposal, 'metadata' | 'spec'>): string {
  const [workload] = spec.workloads;
  if (spec.scope !== 'Workload' || workload === undefined) return metadata.name;
  const slash = workload.indexOf('/');
  return `${workload.slice(0, slash).toLowerCase()}${workload.slice(slash)}`;
}
