import type { z } from 'zod';
import { effectiveProfileIn } from '../../../view/effective-profile.ts';
import type { DecisionInput, DecisionPath } from '../../../view/proposal-shape.ts';
import { takingBack } from '../../../view/proposal-taking-back.ts';
import { reviewWarnings } from '../../../view/review-warnings.ts';
import { rulesInWords } from '../../../view/rules-in-words.ts';
import { ApiProblem } from './api-problem.ts';
import type { Gate } from './gate.ts';
import { changesOf, missingRight, obstacleOf, proposalOf } from './proposal-request.ts';
import {
  approvalInputSchema,
  decisionAnswerSchema,
  decisionInputSchema,
  takingBackSchema,
} from './proposal-schemas.ts';
import { type ApiRoute, route } from './route.ts';

/** The four decisions, and what the two that take something back would come to. */
export function decisionRoutes(gate: Gate): readonly ApiRoute[] {
  return [
    decisionRoute(gate, 'approve', 'Approves what was shown', approvalInputSchema),
    decisionRoute(gate, 'reject', 'Rejects what was shown', decisionInputSchema),
    takingBackRoute(gate, 'rollback', 'What a rollback would bring back, and what that changes'),
    decisionRoute(gate, 'rollback', 'Brings back what was in force before', decisionInputSchema),
    takingBackRoute(gate, 'retire', 'What changes without the policies that are in force'),
    decisionRoute(gate, 'retire', 'Removes the policies that are in force', decisionInputSchema),
  ];
}

const decisionOf = { approve: 'Approve', reject: 'Reject', rollback: 'Rollback', retire: 'Retire' } as const;

function decisionRoute(gate: Gate, path: DecisionPath, summary: string, body: z.ZodType<DecisionInput>): ApiRoute {
  return route({
    method: 'post',
    path: `/proposals/{namespace}/{name}/${path}`,
    summary: `${summary}, with the rights of the caller`,
    query: {},
    body,
    answers: { status: 201, schema: decisionAnswerSchema },
    errors: [403, 404, 409],
    handle: async (request, _, input) => {
      const proposal = proposalOf(request);
      const decision = decisionOf[path];
      const noRight = await missingRight(gate, request, proposal);
      if (noRight !== undefined) throw new ApiProblem(403, 'NotPermitted', noRight.message);
      const obstacle = obstacleOf(request, proposal, decision, input.learning === true);
      if (obstacle !== undefined) throw new ApiProblem(409, obstacle.code, obstacle.message, { where: obstacle.where });
      const { caller, token, source } = request;
      return source.decide({ proposal, decision, input, caller, token });
    },
  });
}

function takingBackRoute(gate: Gate, path: 'rollback' | 'retire', summary: string): ApiRoute {
  return route({
    method: 'get',
    path: `/proposals/{namespace}/{name}/${path}`,
    summary,
    query: {},
    answers: { status: 200, schema: takingBackSchema },
    errors: [404],
    handle: async (request) => {
      const proposal = proposalOf(request);
      const { namespace, name } = proposal.metadata;
      const { source } = request;
      const decision = decisionOf[path];
      const effective = effectiveProfileIn(source.view, namespace);
      const world = source.worldOf(effective.profile);
      const changes = changesOf(request, proposal, decision);
      return takingBack(proposal, decision, {
        obstacle: (await missingRight(gate, request, proposal)) ?? obstacleOf(request, proposal, decision, false),
        rulesOf: (policies) => rulesInWords(policies, namespace, world.index.cluster, world, source.readPolicies),
        changes,
        warnings: reviewWarnings({ proposal, decision, effective, rules: [], changes }),
        approvals: source.view.approvalsOf(namespace, name),
      });
    },
  });
}
