import type { Deviation } from '../model/policy-proposal.ts';
import type { Mode } from '../model/profile.ts';
import type { GraphEdge, GraphNode } from './graph-shape.ts';
import type { ProposalSummary } from './proposal-shape.ts';

/** Every answer that is no success. */
export interface ApiError {
  /** Stable word, as in docs/problems.md. */
  readonly code: string;
  readonly message: string;
  readonly where?: string;
}

/** A part of a long list. `continue` goes into the query for the next part; null: this was the last one. */
export interface ListPage<Item> {
  readonly items: readonly Item[];
  readonly total: number;
  readonly continue: string | null;
}

/** Who asks, and what there is for them. */
export interface SessionView {
  /** `open`: everybody who reaches this address may see all of it. `token`: by the caller's own rights in the cluster. */
  readonly access: 'open' | 'token';
  readonly user: string;
  readonly version: string;
  /** What is watched: a directory or the address of a cluster. */
  readonly watching: string;
  /** Those that the caller may see, ascending. */
  readonly namespaces: readonly NamespaceEntry[];
  /** There are others that the caller may not see. */
  readonly hidden: boolean;
}

export interface NamespaceEntry {
  readonly name: string;
  readonly mode: Mode | 'exempt';
  /** `Claimed`: approvals count although nobody checks who gives them. */
  readonly identity: 'Stamped' | 'Claimed';
  readonly workloads: number;
  /** Why nothing is written there at the moment; null: nothing holds it back. */
  readonly stopped: string | null;
}

export interface DeviationEntry extends Deviation {
  readonly namespace: string;
  readonly proposal: string;
  /** `Kind/name`. */
  readonly workloads: readonly string[];
  readonly words: string;
}

export interface Explanation {
  readonly source: string;
  readonly destination: string;
  readonly protocol: string;
  readonly port: number;
  readonly verdict: 'allowed' | 'denied' | 'unknown';
  /** What decides it, a sentence each. */
  readonly reasons: readonly string[];
}

/** A node that fits what was searched for. */
export interface SearchHit {
  readonly key: string;
  readonly label: string;
  readonly kind: GraphNode['attributes']['kind'];
  readonly namespace: string;
}

/**
 * The events of `/api/v1/events`, by name. `id:` is a position; after a reconnect the browser sends the last one, and what
 * came since is told again, or `reset` when that is not known any more: then everything is to be asked anew.
 */
export interface ServerEvents {
  /** The first of each stream. */
  readonly ready: { readonly position: string };
  readonly reset: { readonly position: string };
  readonly graph: GraphChange;
  /** A proposal as it is now. */
  readonly proposal: ProposalSummary;
  readonly 'proposal-gone': { readonly namespace: string; readonly name: string };
  /** A deviation that is new, or seen again. */
  readonly deviation: DeviationEntry;
  /** Modes, kill switches, policies or the inventory are not what they were: status, states of edges, or nodes changed. */
  readonly cluster: { readonly namespaces: readonly string[] };
}

/** Edges as they are now, complete, at both levels, with the nodes that they are between. */
export interface GraphChange {
  /** So much changed that it is not listed: ask for the graph again. */
  readonly refetch: boolean;
  readonly nodes: readonly GraphNode[];
  /** At the level `workload`. */
  readonly edges: readonly GraphEdge[];
  /** At the level `namespace`. */
  readonly namespaceEdges: readonly GraphEdge[];
}
