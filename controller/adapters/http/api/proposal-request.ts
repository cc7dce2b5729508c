import type { Decision } from '../../../model/policy-approval.ts';
import type { PolicyProposal } from '../../../model/policy-proposal.ts';
import type { Problem } from '../../../model/problem.ts';
import { effectiveProfileIn } from '../../../view/effective-profile.ts';
import { decisionChanges, type DecisionChanges } from '../../../view/decision-changes.ts';
import { whyNot } from '../../../view/decision-obstacles.ts';
import { ApiProblem } from './api-problem.ts';
import type { Gate } from './gate.ts';
import type { ApiRequest } from './route.ts';

/** In a larger cluster, comparing who may talk with whom takes longer than anybody waits for a page. */
const mostCompared = 2_000;

/** The proposal that the path names. Throws ApiProblem. */
export function proposalOf({ source, sight, path }: ApiRequest): PolicyProposal {
  const { namespace = '', name: wanted = '' } = path;
  const found = sight.maySee(namespace) ? source.view.proposal(namespace, wanted) : undefined;
  if (found !== undefined) return found;
  // the same for what is not there and for what may not be seen
  throw new ApiProblem(404, 'ProposalNotFound', `there is no proposal ${namespace}/${wanted} that you may see`);
}

/** Why the caller cannot decide about it, by the rights; undefined: the caller may. */
export async function missingRight(
  gate: Gate,
  { caller, token }: ApiRequest,
  { metadata }: PolicyProposal,
): Promise<Problem | undefined> {
  const message = await gate.whyNoDecision(caller, token, metadata.namespace);
  return message === undefined ? undefined : { code: 'NotPermitted', message, where: '' };
}

export function obstacleOf(request: ApiRequest, proposal: PolicyProposal, decision: Decision, learning: boolean) {
  const effective = effectiveProfileIn(request.source.view, proposal.metadata.namespace);
  return whyNot(proposal, decision, { learning, onlyClaims: request.source.onlyClaims, effective });
}

export function changesOf({ source }: ApiRequest, proposal: PolicyProposal, decision: Decision): DecisionChanges {
  const index = source.index();
  if (index.keys.length > mostCompared) {
    const incomplete = `the cluster has ${index.keys.length} workloads: nanoseg diff compares who may talk`;
    return { opens: [], denies: [], uncertain: [], incomplete };
  }
  const { profile } = source.view.profileOf(proposal.metadata.namespace);
  const world = source.worldOf(profile);
  return decisionChanges(proposal, decision, world.index.cluster, world, source.readPolicies);
}
