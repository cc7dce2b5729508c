import type { ProposalState } from '../model/policy-proposal.ts';

/** What stands between two sides, the one that needs a person's eyes most last: an edge has the last of its connections. */
export const connectionStates = [
  /** A proposal or what is in force of it allows it, and it was never seen. */
  'over-grant',
  /** Policies in force allow it, on every side that they isolate. */
  'enforced',
  /** It was seen, and no policy is asked. */
  'seen',
  /** It was tried and never passed, or policies in force deny what passed before them. */
  'denied',
  /** Suspicious: seen, and not in the proposal until a person accepts it. */
  'held-back',
  /** It passes now, and a proposal that waits would deny it. */
  'would-be-denied',
] as const;
export type ConnectionState = (typeof connectionStates)[number];

export const nodeKinds = [
  /** All workloads of a namespace. */
  'namespace',
  'workload',
  /** An address outside of the cluster, a DNS name, a named network, or all of them. */
  'external',
  /** Nodes, the API server, and Services that nobody can tell the backend of. */
  'infrastructure',
  /** A side that nobody vouches for; one node for each reason. */
  'unknown',
  /** What the caller may not see. */
  'hidden',
] as const;
export type NodeKind = (typeof nodeKinds)[number];

/** Who may be told apart: `namespace` has one node for each, `workload` all of them. */
export const graphLevels = ['namespace', 'workload'] as const;
export type GraphLevel = (typeof graphLevels)[number];

/** As graphology's `Graph.from` reads it. All text in it may come from strangers: it is to be shown as text alone. */
export interface GraphView {
  readonly options: { readonly type: 'directed'; readonly multi: false; readonly allowSelfLoops: true };
  readonly attributes: GraphViewAttributes;
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
}

export interface GraphViewAttributes {
  readonly name: string;
  readonly level: GraphLevel;
  /** Id of the latest event that is in it: go on with the events after this one. */
  readonly position: string;
  /** ISO 8601; when the first and the last flow were seen, or null when none was. */
  readonly firstSeen: string | null;
  readonly lastSeen: string | null;
  /** Connections in it, and those that the filters left out. */
  readonly connections: number;
  readonly leftOut: number;
}

export interface GraphNode {
  /** Stable: `workload:shop/Deployment/cart`, `namespace:shop`, `external:203.0.113.7`, `infrastructure:nodes`, … */
  readonly key: string;
  readonly attributes: NodeAttributes;
}

export interface NodeAttributes {
  /** Short. */
  readonly label: string;
  readonly kind: NodeKind;
  /** Empty where there is none. */
  readonly namespace: string;
  /** The workload's kind; of infrastructure `api-server`, `nodes`, `service`; else empty. */
  readonly of: string;
  /** Workloads that it stands for; 0 for what is none. */
  readonly workloads: number;
  /** nanoseg proposes nothing for this namespace. */
  readonly exempt?: true;
  /** Of an address outside. */
  readonly dnsNames?: readonly string[];
  /** Of a workload: its proposal. */
  readonly proposal?: { readonly name: string; readonly state: ProposalState | 'New' };
  /** Of a namespace: how many proposals are in which state. */
  readonly proposals?: Readonly<Record<string, number>>;
}

/** An ordered pair of nodes; the pair is its identity. */
export interface GraphEdge {
  readonly source: string;
  readonly target: string;
  readonly attributes: EdgeAttributes;
}

export interface EdgeAttributes {
  readonly state: ConnectionState;
  /** Connections by state, where there is more than one state. */
  readonly states?: Readonly<Partial<Record<ConnectionState, number>>>;
  /** `TCP 8080, 9090; UDP 53`, at most 8 ports of a protocol. */
  readonly ports: string;
  readonly connections: number;
  /** Distinct flows that passed and that were denied, of all time, whatever time is asked for; as first and last seen. */
  readonly passed: number;
  readonly denied: number;
  /** ISO 8601; absent for what was never seen. */
  readonly firstSeen?: string;
  readonly lastSeen?: string;
  /** Nobody can tell who opened it. */
  readonly undirected?: true;
}

/** One connection between two nodes of the graph, with its evidence in words. */
export interface ConnectionView {
  readonly id: string;
  /** `shop/Deployment/cart > shop/StatefulSet/redis TCP 6379`. */
  readonly words: string;
  /** Keys of nodes at the level `workload`. */
  readonly source: string;
  readonly target: string;
  readonly protocol: string;
  /** 0: not known, or the protocol has none. */
  readonly port: number;
  readonly directed: boolean;
  readonly state: ConnectionState;
  /** Why it has this state, in one sentence. */
  readonly because: string;
  readonly passed: number;
  readonly denied: number;
  /** 0: nobody said. */
  readonly bytes: number;
  readonly firstSeen: string | null;
  readonly lastSeen: string | null;
  /** What was seen of it, a sentence each. */
  readonly evidence: readonly string[];
}
