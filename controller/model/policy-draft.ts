import type { ConnectionId } from './connection.ts';
import type { LabelSelector } from './label-selector.ts';
import type { PolicyProtocol } from './protocol.ts';
import type { WorkloadKey } from './workload.ts';

/**
 * A policy before any dialect: exact about whom it means and why. Dialects render it to networking.k8s.io/v1 or
 * CiliumNetworkPolicy; what a dialect cannot express it returns as a problem, and drops nothing in silence.
 * Both directions are always isolated; a direction without rules denies everything.
 */
export interface PolicyDraft {
  readonly namespace: string;
  readonly name: string;
  /** The workloads it is for: one, or several for a joint policy. */
  readonly workloads: readonly WorkloadKey[];
  readonly subject: LabelSelector;
  readonly ingress: readonly DraftRule[];
  readonly egress: readonly DraftRule[];
}

/** Peers times ports; neither list is ever empty. */
export interface DraftRule {
  readonly peers: readonly DraftPeer[];
  readonly ports: readonly DraftPort[];
  readonly because: RuleReason;
  /** Connections that asked for this rule, ascending; may be empty only for a named allowance. */
  readonly evidence: readonly ConnectionId[];
}

/** Why a rule is there: learned from evidence, or a named allowance of the guardrails. */
export type RuleReason = 'learned' | AllowanceName;

/** The table of policy/guardrails.ts says what each of these allows. */
export const allowanceNames = [
  'cluster-dns',
  'kube-apiserver',
  'admission-webhook',
  'node-traffic',
  'open-to-world',
] as const;
export type AllowanceName = (typeof allowanceNames)[number];

export type DraftPeer =
  /** Pods by label; `namespace` undefined: the policy's own namespace. */
  | {
      readonly kind: 'pods';
      readonly podSelector: LabelSelector;
      readonly namespaceSelector: LabelSelector | undefined;
      /** Namespaces that namespaceSelector selects (or the policy's own), by name, for dialects with other selectors. */
      readonly namespaces: readonly string[];
      /** Exactly the workloads that the selectors select. */
      readonly workloads: readonly WorkloadKey[];
    }
  /** Addresses outside of the pod network; `dnsNames` where flows carried them. */
  | {
      readonly kind: 'cidr';
      readonly cidr: string;
      readonly except: readonly string[];
      readonly network: string | undefined;
      readonly dnsNames: readonly string[];
    }
  /** The API server's own endpoint addresses. */
  | { readonly kind: 'apiserver'; readonly addresses: readonly string[] }
  /** Nodes of the cluster, by address blocks. */
  | { readonly kind: 'nodes'; readonly cidrs: readonly string[] }
  /** Every address outside of the cluster: both families, except the cluster's own ranges. */
  | { readonly kind: 'world'; readonly except: readonly string[] };

export interface DraftPort {
  readonly protocol: PolicyProtocol;
  readonly port: number;
  /** Last port of a contiguous range. */
  readonly endPort: number | undefined;
  /** The container port's name, when the rule shall name it instead of the number. */
  readonly name: string | undefined;
}
