import type { Connection, ConnectionId } from './connection.ts';
import type { AllowanceName, PolicyDraft } from './policy-draft.ts';
import type { PolicyProtocol } from './protocol.ts';
import type { WorkloadKey } from './workload.ts';

/** What synthesis says for one workload: a draft with everything that is not in it, or a refusal with its reason. */
export type SynthesisResult = Synthesised | Refused | NoEvidence;

export interface Synthesised {
  readonly kind: 'synthesised';
  readonly workload: WorkloadKey;
  readonly draft: PolicyDraft;
  readonly heldBack: readonly HeldBack[];
  readonly omissions: readonly Omission[];
  readonly notes: readonly string[];
}

export interface Refused {
  readonly kind: 'refused';
  readonly workload: WorkloadKey;
  readonly because: RefusalReason;
  readonly message: string;
  /** Workloads that share the labels, where that is the reason. */
  readonly sharedWith: readonly WorkloadKey[];
  /** One policy for all of them, where one could be made. */
  readonly joint: PolicyDraft | undefined;
  readonly heldBack: readonly HeldBack[];
  readonly omissions: readonly Omission[];
}

export type RefusalReason =
  | 'no-labels'
  | 'shared-labels'
  | 'indistinguishable-peer'
  | 'host-network'
  | 'no-namespace-label';

/** No evidence, no policy: a rule-less policy would cut a quiet pod off by surprise. */
export interface NoEvidence {
  readonly kind: 'no-evidence';
  readonly workload: WorkloadKey;
  readonly message: string;
  readonly heldBack: readonly HeldBack[];
  readonly omissions: readonly Omission[];
}

/** A suspicious connection: seen, not learned, for a person to accept or refuse. */
export interface HeldBack {
  readonly connection: Connection;
  readonly because: HeldBackReason;
  readonly message: string;
}

export type HeldBackReason =
  | 'metadata-service'
  | 'kubelet-port'
  | 'new-apiserver-client'
  | 'scan'
  | 'single-replica'
  | 'deny-list'
  | 'mesh-tunnel';

/** A connection that no rule is written for, and why; nothing is dropped without one of these. */
export interface Omission {
  readonly connection: Connection;
  readonly because: OmissionReason;
  readonly message: string;
}

export type OmissionReason =
  | 'denied-attempt'
  | 'undirected'
  | 'unknown-endpoint'
  | 'unknown-port'
  | 'protocol-not-expressible'
  | 'node-exempt'
  | 'addresses-unknown';

/** The checks of policy.md 5, made by the evaluator on policies read back from their YAML. */
export interface Proof {
  readonly valid: boolean;
  readonly checks: readonly ProofCheck[];
  /** Pairs that the policy allows and no evidence asked for; empty unless a person's profile widened something. */
  readonly overGrants: readonly OverGrant[];
  /** Connections of the window that the policy, with those already there, would deny. */
  readonly wouldDeny: readonly WouldDeny[];
  /** Ordered pairs of this workload and another (or itself) that can reach each other on some port. */
  readonly reachableBefore: number;
  readonly reachableAfter: number;
}

export interface ProofCheck {
  readonly name:
    | 'evidence-allowed'
    | 'no-over-grant'
    | 'no-allow-all'
    | 'isolated'
    | 'subject-exact'
    | 'read-back'
    | 'dialect-complete';
  readonly passed: boolean;
  /** What was found, in one sentence. */
  readonly message: string;
}

export interface OverGrant {
  readonly direction: 'ingress' | 'egress';
  /** The peer's workload, or its CIDR in text. */
  readonly peer: string;
  readonly protocol: PolicyProtocol;
  readonly ports: string;
  /** The named allowance that it belongs to, else undefined: then a profile asked for it, or it fails the proof. */
  readonly allowance: AllowanceName | undefined;
  /** What asked for it: the profile, by a named network or wider blocks (`addedAddresses`), or a person's edit. */
  readonly widenedBy: 'network' | 'added-addresses' | 'edit' | undefined;
}

export interface WouldDeny {
  readonly connection: ConnectionId;
  readonly message: string;
}
