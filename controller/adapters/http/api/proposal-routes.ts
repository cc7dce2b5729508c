import { z } from 'zod';
import type { Decision } from '../../../model/policy-approval.ts';
import type { PolicyProposal } from '../../../model/policy-proposal.ts';
import { effectiveProfileIn } from '../../../view/effective-profile.ts';
import { decisionChanges, type DecisionChanges } from '../../../view/decision-changes.ts';
import { whyNot } from '../../../view/decision-obstacles.ts';
import { proposalDetail } from '../../../view/proposal-detail.ts';
import { proposalEffect } from '../../../view/proposal-effect.ts';
import { proposalSummary } from '../../../view/proposal-summary.ts';
import { reviewWarnings } from '../../../view/review-warnings.ts';
import { rulesInWords } from '../../../view/rules-in-words.ts';
import { ApiProblem } from './api-problem.ts';
import type { Gate } from './gate.ts';
import { proposalState } from './graph-schemas.ts';
import { seenTraffic } from './graph-routes.ts';
import { pageOfList, pageQuery } from './paging.ts';
import {
  decisionAnswerSchema,
  decisionInputSchema,
  proposalDetailSchema,
  proposalEffectSchema,
  proposalPageSchema,
} from './proposal-schemas.ts';
import { type ApiRequest, type ApiRoute, route } from './route.ts';

const name = z.string().min(1).max(253);
/** In a larger cluster, comparing who may talk with whom takes longer than anybody waits for a page. */
const mostCompared = 2_000;

export function proposalRoutes(gate: Gate): readonly ApiRoute[] {
  return [
    route({
      method: 'get',
      path: '/proposals',
      summary: 'Proposals',
      query: {
        namespace: z.array(name).max(500).describe('Only of these namespaces.'),
        state: z.array(proposalState).max(20).describe('Only in these states.'),
        workload: z.array(z.string().min(1).max(600)).max(500).describe('Only of these, shop/Deployment/cart.'),
        ...pageQuery,
      },
      answers: { status: 200, schema: proposalPageSchema },
      errors: [],
      handle: async ({ source, sight }, query) => {
        const { namespace, state, workload } = query;
        const found = source.view
          .proposals()
          .filter(
            ({ metadata, spec, status }) =>
              sight.maySee(metadata.namespace) &&
              (namespace.length === 0 || namespace.includes(metadata.namespace)) &&
              (state.length === 0 || state.includes(status?.state ?? 'New')) &&
              (workload.length === 0 ||
                spec.workloads.some((each) => workload.includes(`${metadata.namespace}/${each}`))),
          )
          .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
        return pageOfList(found, query, keyOf, proposalSummary);
      },
    }),
    route({
      method: 'get',
      path: '/proposals/{namespace}/{name}',
      summary: 'Everything about a proposal',
      query: {},
      answers: { status: 200, schema: proposalDetailSchema },
      errors: [404],
      handle: async (request) => {
        const proposal = proposalOf(request);
        const { namespace } = proposal.metadata;
        const { source } = request;
        const effective = effectiveProfileIn(source.view, namespace);
        const world = source.worldOf(effective.profile);
        const rules = rulesInWords(proposal.spec.policies, namespace, world.index.cluster, world, source.readPolicies);
        const changes = changesOf(request, proposal);
        const noRight = await gate.whyNoDecision(request.caller, request.token, namespace);
        return proposalDetail(proposal, {
          rulesInWords: rules,
          changes,
          warnings: reviewWarnings({ proposal, decision: 'Approve', effective, rules, changes }),
          mode: effective.profile.exemptNamespaces.includes(namespace) ? 'exempt' : effective.mode,
          obstacle: (decision) =>
            noRight === undefined
              ? obstacleOf(request, proposal, decision, true)
              : { code: 'NotPermitted', message: noRight, where: '' },
        });
      },
    }),
    route({
      method: 'get',
      path: '/proposals/{namespace}/{name}/effect',
      summary: 'What a proposal changes, as edges of the graph at the level workload',
      query: {},
      answers: { status: 200, schema: proposalEffectSchema },
      errors: [404, 503],
      handle: async (request) => {
        const proposal = proposalOf(request);
        const { source, sight } = request;
        const traffic = seenTraffic(request);
        const { profile } = effectiveProfileIn(request.source.view, proposal.metadata.namespace);
        const { facts, states } = traffic.world();
        return proposalEffect(proposal, {
          world: source.worldOf(profile),
          facts,
          maySee: sight.maySee,
          connectionsOf: (workload) => traffic.graph.connectionsOf(workload),
          judge: states.judge,
          read: source.readPolicies,
          incomplete: undefined,
        });
      },
    }),
    decisionRoute(gate, 'Approve'),
    decisionRoute(gate, 'Reject'),
  ];
}

function decisionRoute(gate: Gate, decision: 'Approve' | 'Reject'): ApiRoute {
  const word = decision.toLowerCase();
  return route({
    method: 'post',
    path: `/proposals/{namespace}/{name}/${word}`,
    summary: `${decision}s what was shown, with the rights of the caller`,
    query: {},
    body: decisionInputSchema,
    answers: { status: 201, schema: decisionAnswerSchema },
    errors: [403, 404, 409],
    handle: async (request, _, input) => {
      const proposal = proposalOf(request);
      const { caller, token, source } = request;
      const { namespace } = proposal.metadata;
      const noRight = await gate.whyNoDecision(caller, token, namespace);
      if (noRight !== undefined) throw new ApiProblem(403, 'NotPermitted', noRight);
      const obstacle = obstacleOf(request, proposal, decision, input.learning === true);
      if (obstacle !== undefined) throw new ApiProblem(409, obstacle.code, obstacle.message, { where: obstacle.where });
      return source.decide({ proposal, decision, input, caller, token });
    },
  });
}

function proposalOf({ source, sight, path }: ApiRequest): PolicyProposal {
  const { namespace = '', name: wanted = '' } = path;
  const found = sight.maySee(namespace) ? source.view.proposal(namespace, wanted) : undefined;
  if (found !== undefined) return found;
  // the same for what is not there and for what may not be seen
  throw new ApiProblem(404, 'ProposalNotFound', `there is no proposal ${namespace}/${wanted} that you may see`);
}

function keyOf({ metadata }: PolicyProposal): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function obstacleOf(request: ApiRequest, proposal: PolicyProposal, decision: Decision, learning: boolean) {
  const effective = effectiveProfileIn(request.source.view, proposal.metadata.namespace);
  return whyNot(proposal, decision, { learning, onlyClaims: request.source.onlyClaims, effective });
}

function changesOf({ source }: ApiRequest, proposal: PolicyProposal): DecisionChanges {
  const index = source.index();
  if (index.keys.length > mostCompared) {
    const incomplete = `the cluster has ${index.keys.length} workloads: nanoseg diff compares who may talk`;
    return { opens: [], denies: [], uncertain: [], incomplete };
  }
  const { profile } = source.view.profileOf(proposal.metadata.namespace);
  const world = source.worldOf(profile);
  return decisionChanges(proposal, 'Approve', world.index.cluster, world, source.readPolicies);
}
