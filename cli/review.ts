import type { Cluster } from '../controller/model/cluster.ts';
import type { Decision } from '../controller/model/policy-approval.ts';
import type { PolicyProposal } from '../controller/model/policy-proposal.ts';
import type { Connection } from './connection.ts';
import { inForce } from './decide.ts';
import { effectiveProfile } from './effective-profile.ts';
import { pairChanges } from './pair-changes.ts';
import { proposedPolicies } from './proposed-policies.ts';
import type { Review } from './render/review-summary.ts';
import { storedCluster } from './stored-cluster.ts';

/** What a person must know to decide about these proposals; the cluster is read once for all of them. */
export async function reviews(
  { store, systemNamespace }: Connection,
  proposals: readonly PolicyProposal[],
  decision: Decision,
): Promise<Review[]> {
  const cluster = decision === 'Reject' ? { unreadable: '' } : await storedCluster(store);
  const found: Review[] = [];
  for (const proposal of proposals) {
    const { namespace } = proposal.metadata;
    const effective = await effectiveProfile(store, namespace, systemNamespace);
    const pairs = pairsOf(cluster, proposal, decisionText(proposal, decision), effective.profile.cni);
    found.push({ proposal, decision, effective, pairs });
  }
  return found;
}

/** The policies that will be in force when the decision is carried out. */
function decisionText({ spec, status }: PolicyProposal, decision: Decision): string {
  switch (decision) {
    case 'Approve':
      return spec.policies;
    case 'Rollback':
      return status?.revisions[0]?.policies ?? '';
    case 'Retire':
      return '';
    case 'Reject':
      return (status && inForce(status)?.policies) ?? '';
  }
}

/** How who may talk changes once `text` takes the place of what is in force for the proposal. */
export function pairsOf(
  cluster: Cluster | { readonly unreadable: string },
  { metadata, status }: PolicyProposal,
  text: string,
  cni: Review['effective']['profile']['cni'],
): Review['pairs'] {
  if ('unreadable' in cluster) return cluster;
  const proposed = proposedPolicies(text, 'the proposal', metadata.namespace);
  const [fault] = proposed.problems;
  if (fault !== undefined) return { unreadable: fault.message };
  const enforced = proposedPolicies(
    (status && inForce(status)?.policies) ?? '',
    'what is in force',
    metadata.namespace,
  );
  const replaced = enforced.policies.map((policy) => policy.metadata.name);
  return pairChanges(cluster, metadata.namespace, replaced, proposed.policies, cni);
}
