import type { Decision } from '../controller/model/policy-approval.ts';
import type { PolicyProposal } from '../controller/model/policy-proposal.ts';
import { decisionChanges } from '../controller/view/decision-changes.ts';
import type { Review } from '../controller/view/review-warnings.ts';
import { rulesInWords } from '../controller/view/rules-in-words.ts';
import type { Connection } from './connection.ts';
import { effectiveProfile } from './effective-profile.ts';
import { proposedPolicies } from './proposed-policies.ts';
import { storedCluster } from './stored-cluster.ts';
import { worldOf } from './world-of.ts';

/** The cluster is read once for all of the proposals. */
export async function reviews(
  { store, systemNamespace }: Connection,
  proposals: readonly PolicyProposal[],
  decision: Decision,
): Promise<Review[]> {
  const cluster = await storedCluster(store);
  const found: Review[] = [];
  for (const proposal of proposals) {
    const { namespace } = proposal.metadata;
    const effective = await effectiveProfile(store, namespace, systemNamespace);
    const world = worldOf(cluster, effective.profile);
    const rules = rulesInWords(proposal.spec.policies, namespace, cluster, world, proposedPolicies);
    const changes = decisionChanges(proposal, decision, cluster, world, proposedPolicies);
    found.push({ proposal, decision, effective, rules, changes });
  }
  return found;
}
