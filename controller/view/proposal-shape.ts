import type { Decision } from '../model/policy-approval.ts';
import type {
  ApproverIdentity,
  Condition,
  ProposalChange,
  ProposalSpec,
  ProposalState,
} from '../model/policy-proposal.ts';
import type { Mode } from '../model/profile.ts';

/** A proposal in a list. */
export interface ProposalSummary {
  readonly namespace: string;
  readonly name: string;
  /** What people call it: `shop/deployment/cart`. */
  readonly title: string;
  readonly scope: ProposalSpec['scope'];
  /** `Kind/name`, in its namespace. */
  readonly workloads: readonly string[];
  /** `New`: the controller has not looked at it yet; most of what follows is empty then. */
  readonly state: ProposalState | 'New';
  /** One sentence. */
  readonly message: string;
  readonly digest: string;
  readonly change: ProposalChange | null;
  readonly author: 'nanoseg' | 'edited' | null;
  readonly rules: number;
  readonly ready: boolean;
  /** `99.7%`, `unknown`, or `-` where there is nothing to cover. */
  readonly coverage: string;
  /** What has not been seen yet, in words. */
  readonly missing: readonly { readonly code: string; readonly message: string }[];
  /** `41 of 43 pairs`. */
  readonly closes: string;
  /** Names of what is allowed beyond the evidence: `none`, `cluster-dns`. */
  readonly overGrants: string;
  readonly heldBack: number;
  /** Live flows that would have been denied, and all that were judged; null: none were yet. */
  readonly shadow: { readonly wouldDeny: number; readonly judged: number } | null;
  readonly deviations: number;
  readonly approvals: { readonly given: number; readonly required: number; readonly rule: string | null };
  /** Revision in force; null: no policy of nanoseg. */
  readonly revision: number | null;
  /** ISO 8601. */
  readonly createdAt: string | null;
}

/** Everything about a proposal that a reviewer asks for. */
export interface ProposalDetail extends ProposalSummary {
  /** The NetworkPolicies in YAML, as they are decided about. */
  readonly policies: string;
  /** What they mean, a line for each rule. */
  readonly rulesInWords: readonly string[];
  /** Against what is in force. */
  readonly diff: TextDiff;
  /** How who may talk changes with an approval. */
  readonly effect: EffectWords;
  readonly inForce: RevisionView | null;
  /** Newest first. */
  readonly revisions: readonly RevisionView[];
  /** Connections that the policies were made from, in words; the first 500. */
  readonly evidence: CountedWords;
  readonly proof: {
    readonly valid: boolean;
    readonly checks: readonly { readonly name: string; readonly passed: boolean; readonly message: string }[];
    readonly overGrants: readonly string[];
  };
  /** Suspicious connections that are not in the policies; the others that were seen and are not in them. */
  readonly heldBackInWords: CountedWords;
  readonly omissions: CountedWords;
  readonly wouldDeny: CountedWords;
  /** Denied attempts that it would let pass. */
  readonly attempts: readonly string[];
  readonly shadowSamples: readonly string[];
  readonly given: readonly {
    readonly approval: string;
    readonly user: string;
    readonly time: string;
    readonly identity: ApproverIdentity;
  }[];
  readonly ignored: readonly { readonly approval: string; readonly because: string }[];
  readonly deviationsInWords: readonly string[];
  /** Null: none. */
  readonly drift: string | null;
  readonly notes: readonly string[];
  readonly conditions: readonly Condition[];
  /** What to know before saying yes. */
  readonly warnings: readonly string[];
  readonly mode: Mode | 'exempt' | 'unknown';
  /** What the caller may do with it. */
  readonly decisions: Readonly<Record<DecisionPath, DecisionPossibility>>;
}

/** The last part of the path of a decision. */
export type DecisionPath = 'approve' | 'reject' | TakingBackPath;
export type TakingBackPath = 'rollback' | 'retire';

/** `text`: a unified diff without a head, empty where nothing differs. */
export interface TextDiff {
  readonly from: string;
  readonly to: string;
  readonly text: string;
}

/** How who may talk changes, in lines; the first 500 of each. */
export interface EffectWords {
  readonly opens: readonly string[];
  readonly denies: readonly string[];
  readonly uncertain: readonly string[];
  /** Why this is not all of it; null: it is. */
  readonly incomplete: string | null;
}

/** GET …/rollback and …/retire: what would come of it. */
export interface TakingBack extends DecisionPossibility {
  readonly namespace: string;
  readonly name: string;
  readonly title: string;
  readonly decision: 'Rollback' | 'Retire';
  /** Of what is in force, which is what the decision is about; null: nothing is. */
  readonly digest: string | null;
  readonly inForce: RevisionView | null;
  /** Null: no policy of nanoseg. */
  readonly comesBack: RevisionView | null;
  /** Of what comes back. */
  readonly rulesInWords: readonly string[];
  readonly diff: TextDiff;
  readonly effect: EffectWords;
  readonly warnings: readonly string[];
  /** Who has decided the same about it, and how many have to. */
  readonly approvals: { readonly given: readonly string[]; readonly required: number };
}

/** `because`: why not, in one sentence; null where it is possible. */
export interface DecisionPossibility {
  readonly possible: boolean;
  readonly because: string | null;
}

export interface RevisionView {
  readonly revision: number;
  readonly digest: string;
  readonly appliedAt: string;
  readonly approvedBy: readonly string[];
  readonly policies: string;
}

/** How many there are, and the first of them in words. */
export interface CountedWords {
  readonly count: number;
  /** How many of them the items say: those of one source with one reason are one item. */
  readonly said: number;
  readonly items: readonly string[];
}

/** Lists of which a proposal's status keeps the beginning alone: the last part of their paths. */
export const proposalListNames = ['held-back', 'omissions', 'would-deny'] as const;
export type ProposalListName = (typeof proposalListNames)[number];

/** GET …/held-back, …/omissions and …/would-deny: one connection. */
export interface ListedConnection {
  readonly connection: string;
  /** `shop/Deployment/a > shop/Deployment/b TCP 80`. */
  readonly words: string;
  /** Why it is in the list, in a clause. */
  readonly because: string;
}

/** What a proposal changes, as edges between nodes of the graph at the level `workload`. */
export interface ProposalEffect {
  readonly namespace: string;
  readonly name: string;
  readonly digest: string;
  readonly edges: readonly EffectEdge[];
  /** Pairs that could talk and cannot any more, and were never seen to: all of them, though only some are in `edges`. */
  readonly closesUnused: number;
  /** Why this is not all of it; null: it is. */
  readonly incomplete: string | null;
}

export interface EffectEdge {
  readonly source: string;
  readonly target: string;
  /** `TCP 8080`, or `any` for what was never seen. */
  readonly ports: string;
  readonly seen: boolean;
  readonly before: Reach;
  readonly after: Reach;
}

export type Reach = 'allowed' | 'denied' | 'unknown';

/** POST …/approve, …/reject, …/rollback and …/retire. */
export interface DecisionInput {
  /** Of what was shown, which is what is in force where that is taken back: another one since then is a conflict. */
  readonly digest: string;
  readonly reason?: string;
  /** ISO 8601. */
  readonly expiresAt?: string;
  /** Of an approval alone: although not enough was seen. */
  readonly learning?: boolean;
}

export interface DecisionAnswer {
  /** Name of the PolicyApproval. */
  readonly approval: string;
  readonly decision: Decision;
  readonly digest: string;
  /**
   * `done`: what was asked for is so. `counted`: it counts, and something else is missing (approvers, the mode, the next
   * moment). `ignored`: it counts for nothing. `unanswered`: the controller has not looked at it in time.
   */
  readonly result: 'done' | 'counted' | 'ignored' | 'unanswered';
  /** One sentence. */
  readonly message: string;
}
