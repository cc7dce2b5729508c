import { z } from 'zod';
import type {
  ApiError,
  DeviationEntry,
  Explanation,
  ListPage,
  ServerEvents,
  SessionView,
} from '../../../view/api-shape.ts';
import { schemaOf } from '../../resources/resource-fields.ts';
import { graphEdgeSchema, graphNodeSchema, pageOf } from './graph-schemas.ts';
import { proposalSummarySchema } from './proposal-schemas.ts';

const count = z.int().min(0);

export const errorSchema = schemaOf<ApiError>()(
  z.strictObject({
    code: z.string().describe('Stable word.'),
    message: z.string(),
    where: z.string().exactOptional(),
  }),
);

export const sessionSchema = schemaOf<SessionView>()(
  z.strictObject({
    access: z
      .enum(['open', 'token'])
      .describe("open: everybody who reaches this address may see all of it. token: by the caller's own rights."),
    user: z.string(),
    version: z.string(),
    watching: z.string(),
    namespaces: z.array(
      z.strictObject({
        name: z.string(),
        mode: z.enum(['observe', 'propose', 'enforce', 'exempt']),
        identity: z.enum(['Stamped', 'Claimed']),
        workloads: count,
        stopped: z.string().nullable().describe('Why nothing is written there at the moment.'),
      }),
    ),
    hidden: z.boolean().describe('There are namespaces that the caller may not see.'),
  }),
);

const deviation = z.strictObject({
  namespace: z.string(),
  proposal: z.string(),
  workloads: z.array(z.string()),
  words: z.string(),
  connection: z.string(),
  verdict: z.enum(['denied', 'passed']),
  firstSeen: z.string(),
  lastSeen: z.string(),
  times: count,
  message: z.string(),
});
const deviationSchema = schemaOf<DeviationEntry>()(deviation);
export const deviationPageSchema = schemaOf<ListPage<DeviationEntry>>()(pageOf(deviation));

export const explanationSchema = schemaOf<Explanation>()(
  z.strictObject({
    source: z.string(),
    destination: z.string(),
    protocol: z.string(),
    port: count,
    verdict: z.enum(['allowed', 'denied', 'unknown']),
    reasons: z.array(z.string()),
  }),
);

const open = z.object({
  because: z.string(),
  pods: count,
  workloads: z.array(z.string()).optional(),
});
/** As `nanoseg status -o json`. */
export const statusSchema = z.strictObject({
  server: z.string(),
  controller: z.strictObject({
    state: z.enum(['running', 'silent', 'none', 'unknown']),
    holder: z.string().nullable(),
    renewedAt: z.string().nullable(),
    message: z.string(),
  }),
  stopped: z.array(z.object({ namespace: z.string().optional(), reason: z.string() })),
  sources: z.array(
    z.object({ name: z.string(), state: z.enum(['Connected', 'Waiting', 'Failed']), message: z.string() }),
  ),
  streams: z
    .object({
      server: z.string(),
      memory: z.array(z.object({ usedBytes: count, mostBytes: count.exactOptional() })),
      shards: z.array(
        z.object({
          shard: count,
          holder: z.string().exactOptional().describe('Absent: nobody counts its flows at the moment.'),
          waiting: count.describe('Batches that are not counted and saved yet.'),
          savedAt: z.string().exactOptional(),
        }),
      ),
      members: z.array(
        z.object({
          who: z.string(),
          role: z.enum(['ingest', 'decide']),
          shards: count,
          startedAt: z.string(),
          problems: z.array(z.string()),
        }),
      ),
    })
    .nullable()
    .describe('How several processes share the work over Redis (docs/scaling.md); null: they do not.'),
  namespaces: z.array(
    z.strictObject({
      namespace: z.string(),
      mode: z.enum(['observe', 'propose', 'enforce', 'exempt', 'unknown']),
      identity: z.enum(['Stamped', 'Claimed']),
      profile: z.string(),
      coverage: z
        .object({ pods: count, isolatedIngress: count, isolatedEgress: count, open: z.array(open) })
        .nullable(),
      proposals: z.record(z.string(), count),
      closed: z.boolean().nullable(),
      learning: z.array(z.object({ workload: z.string(), policy: z.string(), until: z.string() })),
    }),
  ),
  problems: z.array(z.object({ where: z.string(), message: z.string() })),
});

const position = z.strictObject({ position: z.string() });

/** What the data of each event is. */
export const eventSchemas = {
  ready: position,
  reset: position,
  graph: z.strictObject({
    refetch: z.boolean().describe('So much changed that it is not listed: ask for the graph again.'),
    nodes: z.array(graphNodeSchema),
    edges: z.array(graphEdgeSchema).describe('At the level workload.'),
    namespaceEdges: z.array(graphEdgeSchema).describe('At the level namespace.'),
  }),
  proposal: proposalSummarySchema,
  'proposal-gone': z.strictObject({ namespace: z.string(), name: z.string() }),
  deviation: deviationSchema,
  cluster: z.strictObject({ namespaces: z.array(z.string()) }),
} as const satisfies Readonly<Record<keyof ServerEvents, z.ZodType>>;
