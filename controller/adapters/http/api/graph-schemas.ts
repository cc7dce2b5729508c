import { z } from 'zod';
import { proposalStates } from '../../../model/policy-proposal.ts';
import type { ListPage, SearchHit } from '../../../view/api-shape.ts';
import {
  type ConnectionView,
  connectionStates,
  type GraphEdge,
  type GraphNode,
  type GraphView,
  graphLevels,
  nodeKinds,
} from '../../../view/graph-shape.ts';
import { schemaOf } from '../../resources/resource-fields.ts';

const count = z.int().min(0);
export const timeText = z.iso.datetime({ offset: true });
export const proposalState = z.enum([...proposalStates, 'New']);
const connectionState = z.enum(connectionStates);
const nodeKey = z
  .string()
  .describe('Stable: workload:shop/Deployment/cart, namespace:shop, external:203.0.113.7, infrastructure:nodes, …');

const graphNode = z.strictObject({
  key: nodeKey,
  attributes: z.strictObject({
    label: z.string().describe('Short; written by strangers: to be shown as text alone.'),
    kind: z.enum(nodeKinds),
    namespace: z.string().describe('Empty where there is none.'),
    of: z.string().describe("The workload's kind; of infrastructure api-server, nodes, service."),
    workloads: count.describe('Workloads that it stands for.'),
    exempt: z.literal(true).exactOptional().describe('nanoseg proposes nothing for this namespace.'),
    dnsNames: z.array(z.string()).exactOptional(),
    proposal: z.strictObject({ name: z.string(), state: proposalState }).exactOptional(),
    proposals: z.record(z.string(), count).exactOptional().describe('How many are in which state.'),
  }),
});

const graphEdge = z.strictObject({
  source: nodeKey,
  target: nodeKey,
  attributes: z.strictObject({
    state: connectionState.describe('Of its connections, the one that needs a person most.'),
    states: z.partialRecord(connectionState, count).exactOptional().describe('Where there is more than one.'),
    ports: z.string().describe('TCP 8080, 9090; UDP 53'),
    connections: count.describe('Those that fit the filters.'),
    passed: count.describe('Of all time, whatever since and until say; as denied, firstSeen and lastSeen.'),
    denied: count,
    firstSeen: timeText.exactOptional(),
    lastSeen: timeText.exactOptional(),
    undirected: z.literal(true).exactOptional().describe('Nobody can tell who opened it.'),
  }),
});

export const graphNodeSchema = schemaOf<GraphNode>()(graphNode);
export const graphEdgeSchema = schemaOf<GraphEdge>()(graphEdge);

/** What `/api/v1/graph` answers with. */
export const graphViewSchema = schemaOf<GraphView>()(
  z.strictObject({
    options: z.strictObject({
      type: z.literal('directed'),
      multi: z.literal(false),
      allowSelfLoops: z.literal(true),
    }),
    attributes: z.strictObject({
      name: z.string(),
      level: z.enum(graphLevels),
      position: z.string().describe('Id of the latest event that is in it.'),
      firstSeen: timeText.nullable(),
      lastSeen: timeText.nullable(),
      connections: count,
      leftOut: count.describe('By the filters.'),
    }),
    nodes: z.array(graphNode),
    edges: z.array(graphEdge),
  }),
);

export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.strictObject({
    items: z.array(item),
    total: count,
    continue: z.string().nullable().describe('For the query of the next page; null: this was the last one.'),
  });
}

const connection = z.strictObject({
  id: z.string(),
  words: z.string(),
  source: nodeKey,
  target: nodeKey,
  protocol: z.string(),
  port: count,
  directed: z.boolean(),
  state: connectionState,
  because: z.string().describe('Why it has this state.'),
  passed: count,
  denied: count,
  bytes: z.number().describe('0: nobody said.'),
  firstSeen: timeText.nullable(),
  lastSeen: timeText.nullable(),
  evidence: z.array(z.string()).describe('What was seen of it, a sentence each.'),
});
export const connectionPageSchema = schemaOf<ListPage<ConnectionView>>()(pageOf(connection));

export const searchSchema = schemaOf<{ readonly items: readonly SearchHit[] }>()(
  z.strictObject({
    items: z.array(z.strictObject({ key: nodeKey, label: z.string(), kind: z.enum(nodeKinds), namespace: z.string() })),
  }),
);
