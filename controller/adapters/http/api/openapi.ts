import { z } from 'zod';
import { errorSchema, eventSchemas } from './cluster-schemas.ts';
import type { ApiRoute } from './route.ts';

export const apiPrefix = '/api/v1';
/** Paths that are documented by hand: what they answer with is no JSON. */
const others = {
  [`${apiPrefix}/events`]: {
    get: {
      summary: 'What happens, as server-sent events; resumes after Last-Event-ID',
      parameters: [
        {
          name: 'Last-Event-ID',
          in: 'header',
          required: false,
          description: 'A position: that of the last event that was seen, or of a graph.',
          schema: { type: 'string' },
        },
        {
          name: 'after',
          in: 'query',
          required: false,
          description: 'The same, for who cannot set headers.',
          schema: { type: 'string' },
        },
      ],
      responses: {
        200: {
          description: 'Events, until one of both ends it',
          content: { 'text/event-stream': { schema: { type: 'string' } } },
        },
        ...errorResponses([401, 429, 503]),
      },
    },
  },
  '/openapi.json': textRoute('This document', 'application/json', [200]),
  '/healthz': textRoute('Whether the process lives', 'text/plain', [200]),
  '/readyz': textRoute('Whether the cluster was read', 'text/plain', [200, 503]),
  '/metrics': textRoute("Figures in Prometheus' text format", 'text/plain', [200, 401]),
};

/** Every route and the events, as an OpenAPI 3.1 document. */
export function openApiDocument(routes: readonly ApiRoute[], version: string): object {
  const paths: Record<string, Record<string, object>> = { ...others };
  for (const route of routes) {
    const path = `${apiPrefix}${route.path}`;
    paths[path] = { ...paths[path], [route.method]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'nanoseg',
      version,
      description:
        'The traffic graph, proposals and decisions. Text in answers may come from strangers: show it as text alone.',
    },
    servers: [{ url: '.' }],
    security: [{ token: [] }, {}],
    paths,
    components: {
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description:
            'A token that the API server of the cluster accepts; not needed on the loopback address of a workspace.',
        },
      },
      schemas: {
        Error: jsonSchema(errorSchema),
        ...Object.fromEntries(
          Object.entries(eventSchemas).map(([name, schema]) => [`event-${name}`, jsonSchema(schema)]),
        ),
      },
    },
  };
}

function operation({ path, summary, query, body, answers, errors }: ApiRoute): object {
  const { status, schema, types = [] } = answers;
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const inQuery = Object.entries(query).map(([name, field]) => {
    const { description, ...rest } = jsonSchema(field);
    const required = !field.safeParse(undefined).success && !isList(field);
    return { name, in: 'query', required, description: description ?? '', schema: rest };
  });
  const content = Object.fromEntries([
    ['application/json', { schema: jsonSchema(schema) }],
    ...types.map((type) => [type.replace(/;.*$/, ''), { schema: { type: 'string' } }]),
  ]);
  return {
    summary,
    parameters: [...inPath, ...inQuery],
    ...(body && { requestBody: { required: true, content: { 'application/json': { schema: jsonSchema(body) } } } }),
    responses: {
      [status]: { description: summary, content },
      ...(body ? {} : { 304: { description: 'What If-None-Match names is still so' } }),
      ...errorResponses([400, 401, 403, 429, ...(body ? [413, 415] : []), ...errors]),
    },
  };
}

/** Query parameters that may come any number of times. */
export function isList(field: z.ZodType): field is z.ZodArray {
  return field instanceof z.ZodArray;
}

function jsonSchema(schema: z.ZodType): { readonly description?: string } {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return rest;
}

function errorResponses(statuses: readonly number[]): Record<string, object> {
  const error = {
    description: 'What is wrong',
    content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
  };
  return Object.fromEntries([...new Set(statuses)].sort((a, b) => a - b).map((status) => [status, error]));
}

function textRoute(summary: string, type: string, statuses: readonly number[]): Record<string, object> {
  const answer = { description: summary, content: { [type]: { schema: {} } } };
  return { get: { summary, responses: Object.fromEntries(statuses.map((status) => [status, answer])) } };
}
