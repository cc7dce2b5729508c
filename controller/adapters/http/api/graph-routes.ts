import { z } from 'zod';
import { graphDot } from '../../../graph/exports/dot.ts';
import { graphGexf } from '../../../graph/exports/gexf.ts';
import { graphMermaid } from '../../../graph/exports/mermaid.ts';
import { parseProtocol } from '../../../model/protocol.ts';
import { connectionView } from '../../../view/connection-view.ts';
import { graphPicture } from '../../../view/graph-picture.ts';
import { connectionStates, type GraphLevel, graphLevels } from '../../../view/graph-shape.ts';
import type { NodeScope } from '../../../view/graph-nodes.ts';
import type { GraphFilter } from '../../../view/graph-filter.ts';
import { graphText } from '../../../view/graph-text.ts';
import { connectionsBetween, matchingNodes } from '../../../view/graph-view.ts';
import { ApiProblem } from './api-problem.ts';
import type { SeenTraffic } from './api-source.ts';
import { connectionPageSchema, graphViewSchema, searchSchema } from './graph-schemas.ts';
import { pageOfList, pageQuery } from './paging.ts';
import { type ApiRequest, type ApiRoute, LazyAnswer, type QueryOf, route } from './route.ts';

const name = z.string().min(1).max(600);
const time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));

const filterQuery = {
  level: z.enum(graphLevels).default('namespace').describe('Which sides are told apart.'),
  expand: z.array(name).max(500).describe('At the level namespace: those whose workloads are shown all the same.'),
  namespace: z.array(name).max(500).describe('Only what a workload of it takes part in.'),
  workload: z.array(name).max(500).describe('Only what this one takes part in, shop/Deployment/cart.'),
  protocol: z.array(name).max(20).describe('TCP, UDP, …'),
  state: z.array(z.enum(connectionStates)).max(10).describe('Only connections in this state.'),
  since: time.optional().describe('Only connections seen since then; counts are of all time.'),
  until: time.optional().describe('Only connections seen until then.'),
} as const;

const graphFormats = {
  json: 'application/json; charset=utf-8',
  gexf: 'application/gexf+xml; charset=utf-8',
  dot: 'text/vnd.graphviz; charset=utf-8',
  mermaid: 'text/plain; charset=utf-8',
} as const;

const graphQuery = {
  ...filterQuery,
  format: z.enum(['json', 'gexf', 'dot', 'mermaid']).default('json').describe('JSON is as graphology reads it.'),
} as const;

/** `positionOf`: the id of the latest event, for who may see what. */
export function graphRoutes(positionOf: (sightKey: string) => string): readonly ApiRoute[] {
  return [
    route({
      method: 'get',
      path: '/graph',
      summary: 'The traffic graph',
      query: graphQuery,
      answers: {
        status: 200,
        schema: graphViewSchema,
        types: [graphFormats.gexf, graphFormats.dot, graphFormats.mermaid],
      },
      errors: [503],
      handle: async (request, query) => {
        const seen = seenTraffic(request);
        const scope = scopeOf(request, query.level, query.expand);
        const filter = filterOf(query);
        const { format } = query;
        return new LazyAnswer({
          mark: JSON.stringify([seen.revision, request.sight.key, query]),
          make: () => {
            const type = graphFormats[format];
            const world = seen.world();
            if (format === 'json') {
              const position = positionOf(request.sight.key);
              return { type, text: (room) => graphText(world, scope, filter, position, room) };
            }
            const picture = graphPicture(world, scope, filter);
            switch (format) {
              case 'gexf':
                return { type, text: graphGexf(picture) };
              case 'dot':
                return { type, text: graphDot(picture) };
              case 'mermaid':
                return { type, text: graphMermaid(picture) };
            }
          },
        });
      },
    }),
    route({
      method: 'get',
      path: '/connections',
      summary: 'What an edge of the graph stands for, with evidence in words',
      query: {
        source: name.describe('Key of a node.'),
        target: name.describe('Key of a node.'),
        ...filterQuery,
        ...pageQuery,
      },
      answers: { status: 200, schema: connectionPageSchema },
      errors: [503],
      handle: async (request, query) => {
        const seen = seenTraffic(request);
        const world = seen.world();
        const scope = scopeOf(request, query.level, query.expand);
        const rows = connectionsBetween(world, scope, filterOf(query), query.source, query.target);
        const byId = rows.map((row) => ({ row, connection: world.graph.connectionAt(row) }));
        byId.sort((a, b) => (a.connection.id < b.connection.id ? -1 : 1));
        const each = scopeOf(request, 'workload', []);
        return pageOfList(
          byId,
          query,
          ({ connection }) => connection.id,
          ({ row, connection }) => connectionView(connection, world.states.explainAt(row), each, world.facts),
        );
      },
    }),
    route({
      method: 'get',
      path: '/search',
      summary: 'Nodes that fit a word',
      query: { q: z.string().min(1).max(200).describe('A part of a name, an address or a DNS name.') },
      answers: { status: 200, schema: searchSchema },
      errors: [503],
      handle: async (request, { q }) => {
        const world = seenTraffic(request).world();
        return { items: matchingNodes(world, scopeOf(request, 'workload', []), q, mostHits) };
      },
    }),
  ];
}

const mostHits = 50;

export function seenTraffic({ source }: ApiRequest): SeenTraffic {
  const seen = source.seen();
  if (seen !== undefined) return seen;
  throw nothingSeen();
}

export function nothingSeen(): ApiProblem {
  return new ApiProblem(
    503,
    'NotReady',
    'nothing was read yet: this controller has just started, or another one leads',
    {
      headers: { 'Retry-After': '2' },
    },
  );
}

function scopeOf({ sight }: ApiRequest, level: GraphLevel, expand: readonly string[]): NodeScope {
  return { level, expanded: new Set(expand), maySee: sight.maySee };
}

function filterOf(query: QueryOf<typeof filterQuery>): GraphFilter {
  const { namespace, workload, protocol, state, since, until } = query;
  const numbers = protocol.map((text) => {
    const number = parseProtocol(text);
    if (number !== undefined) return number;
    throw new ApiProblem(400, 'ArgumentInvalid', `${JSON.stringify(text)} is no protocol`, { where: 'protocol' });
  });
  return {
    ...(namespace.length > 0 && { namespaces: new Set(namespace) }),
    ...(workload.length > 0 && { workloads: new Set(workload) }),
    ...(numbers.length > 0 && { protocols: new Set(numbers) }),
    ...(state.length > 0 && { states: new Set(state) }),
    ...(since !== undefined && { sinceMs: since }),
    ...(until !== undefined && { untilMs: until }),
  };
}
