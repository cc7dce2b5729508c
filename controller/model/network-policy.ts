import type { LabelSelector, Labels } from './label-selector.ts';
import type { PolicyProtocol } from './protocol.ts';

/** networking.k8s.io/v1 NetworkPolicy exactly as the API server stores it: `from`, never `_from`. */
export interface NetworkPolicy {
  readonly apiVersion: 'networking.k8s.io/v1';
  readonly kind: 'NetworkPolicy';
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels?: Labels;
    readonly annotations?: Labels;
  };
  readonly spec: NetworkPolicySpec;
}

export type PolicyType = 'Ingress' | 'Egress';

export interface NetworkPolicySpec {
  readonly podSelector: LabelSelector;
  /** Absent: Ingress, and Egress too when there is at least one egress rule. */
  readonly policyTypes?: readonly PolicyType[];
  readonly ingress?: readonly IngressRule[];
  readonly egress?: readonly EgressRule[];
}

/** `from` and `ports` absent or empty: everything. That is the API's rule, and why we never write either of them so. */
export interface IngressRule {
  readonly from?: readonly PolicyPeer[];
  readonly ports?: readonly PolicyPort[];
}

export interface EgressRule {
  readonly to?: readonly PolicyPeer[];
  readonly ports?: readonly PolicyPort[];
}

/** Either an ipBlock alone, or a podSelector, a namespaceSelector or both (then ANDed). */
export interface PolicyPeer {
  readonly podSelector?: LabelSelector;
  readonly namespaceSelector?: LabelSelector;
  readonly ipBlock?: IpBlock;
}

export interface IpBlock {
  readonly cidr: string;
  readonly except?: readonly string[];
}

export interface PolicyPort {
  readonly protocol?: PolicyProtocol;
  /** A number, or the name of a container port; absent: every port of the protocol. */
  readonly port?: number | string;
  readonly endPort?: number;
}

/** The directions in which the policy isolates its subjects, with the API's defaulting. */
export function isolatedDirections({ policyTypes, egress }: NetworkPolicySpec): readonly PolicyType[] {
  if (policyTypes !== undefined && policyTypes.length > 0) return policyTypes;
  return (egress ?? []).length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
}
