import type { TrafficGraph } from '../../../graph/traffic-graph.ts';
import type { ClusterIndex } from '../../../policy/evaluate/cluster-index.ts';
import type { Decision } from '../../../model/policy-approval.ts';
import type { Profile } from '../../../model/profile.ts';
import type { ProofWorld } from '../../../policy/proof-world.ts';
import type { ClusterView } from '../../../ports.ts';
import type { ReadPolicies } from '../../../view/decision-changes.ts';
import type { GraphWorld } from '../../../view/graph-view.ts';
import type { OperationStatus } from '../../../view/operation-status.ts';
import type { DecisionAnswer, DecisionInput, ProposalListName } from '../../../view/proposal-shape.ts';
import type { ListedItem, PolicyProposal } from '../../../model/policy-proposal.ts';
import type { Caller } from './gate.ts';

/** What was seen, as it is now. */
export interface SeenTraffic {
  readonly graph: TrafficGraph;
  readonly world: () => GraphWorld;
  /** Another text whenever an answer about the graph may be another one. */
  readonly revision: string;
}

/** A decision that the caller wants written down. */
export interface WantedDecision {
  readonly proposal: PolicyProposal;
  readonly decision: Decision;
  readonly input: DecisionInput;
  readonly caller: Caller;
  readonly token: string | undefined;
}

/** All that the API knows, and what it can have done. */
export interface ApiSource {
  readonly version: string;
  /** A directory, or the address of a cluster. */
  readonly watching: string;
  readonly view: ClusterView;
  /** Undefined until flows are read. */
  readonly seen: () => SeenTraffic | undefined;
  readonly index: () => ClusterIndex;
  readonly worldOf: (profile: Profile) => ProofWorld;
  readonly readPolicies: ReadPolicies;
  /** A list of a proposal as long as it is, ascending by connection; undefined until flows are read. */
  readonly listOf: (proposal: PolicyProposal, list: ProposalListName) => readonly ListedItem[] | undefined;
  readonly status: (maySee: (namespace: string) => boolean) => Promise<OperationStatus>;
  /** Nothing stamps decisions here: they can only be claimed. */
  readonly onlyClaims: boolean;
  /** Writes it with the caller's own rights. Rejects with ApiProblem. */
  readonly decide: (wanted: WantedDecision) => Promise<DecisionAnswer>;
}
