import { z } from 'zod';
import type { ListedItem, PolicyProposal } from '../../../model/policy-proposal.ts';
import { effectiveProfileIn } from '../../../view/effective-profile.ts';
import { connectionIdWords } from '../../../view/connection-words.ts';
import { reasonWords } from '../../../view/listed-items.ts';
import { proposalDetail } from '../../../view/proposal-detail.ts';
import { proposalEffect } from '../../../view/proposal-effect.ts';
import { type ListedConnection, type ProposalListName, proposalListNames } from '../../../view/proposal-shape.ts';
import { proposalSummary } from '../../../view/proposal-summary.ts';
import { reviewWarnings } from '../../../view/review-warnings.ts';
import { rulesInWords } from '../../../view/rules-in-words.ts';
import type { Gate } from './gate.ts';
import { proposalState } from './graph-schemas.ts';
import { nothingSeen, seenTraffic } from './graph-routes.ts';
import { pageOfList, pageQuery } from './paging.ts';
import { decisionRoutes } from './proposal-decision-routes.ts';
import { changesOf, missingRight, obstacleOf, proposalOf } from './proposal-request.ts';
import {
  listedConnectionPageSchema,
  proposalDetailSchema,
  proposalEffectSchema,
  proposalPageSchema,
} from './proposal-schemas.ts';
import { type ApiRoute, route } from './route.ts';

const name = z.string().min(1).max(253);

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
        const changes = changesOf(request, proposal, 'Approve');
        const noRight = await missingRight(gate, request, proposal);
        return proposalDetail(proposal, {
          rulesInWords: rules,
          changes,
          warnings: reviewWarnings({ proposal, decision: 'Approve', effective, rules, changes }),
          mode: effective.profile.exemptNamespaces.includes(namespace) ? 'exempt' : effective.mode,
          obstacle: (decision) => noRight ?? obstacleOf(request, proposal, decision, true),
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
    ...proposalListNames.map(listRoute),
    ...decisionRoutes(gate),
  ];
}

const listSummaries: Readonly<Record<ProposalListName, string>> = {
  'held-back': 'Suspicious connections that are not in the policies, all of them as they are now',
  omissions: 'Connections that were seen and that no rule is written for, all of them as they are now',
  'would-deny': 'Connections that were seen and that the policies would deny, all of them as they are now',
};

function listRoute(list: ProposalListName): ApiRoute {
  return route({
    method: 'get',
    path: `/proposals/{namespace}/{name}/${list}`,
    summary: listSummaries[list],
    query: pageQuery,
    answers: { status: 200, schema: listedConnectionPageSchema },
    errors: [404, 503],
    handle: async (request, query) => {
      const items = request.source.listOf(proposalOf(request), list);
      if (items === undefined) throw nothingSeen();
      return pageOfList(items, query, ({ connection }) => connection, listedConnection);
    },
  });
}

function listedConnection(item: ListedItem): ListedConnection {
  const { connection } = item;
  return { connection, words: connectionIdWords(connection), because: reasonWords(item) };
}

function keyOf({ metadata }: PolicyProposal): string {
  return `${metadata.namespace}/${metadata.name}`;
}
