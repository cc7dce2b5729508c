import type { Labels, LabelSelector } from '../../model/label-selector.ts';
import type { IpBlock } from '../../model/network-policy.ts';
import type { PolicyProtocol } from '../../model/protocol.ts';

/**
 * The part of cilium.io/v2 CiliumNetworkPolicy that nanoseg writes. Each rule has exactly one member for its peers and
 * one `toPorts` entry, but for the empty rule: that isolates its direction and allows nothing.
 */
export interface CiliumNetworkPolicy {
  readonly apiVersion: 'cilium.io/v2';
  readonly kind: 'CiliumNetworkPolicy';
  readonly metadata: { readonly name: string; readonly namespace: string; readonly labels: Labels };
  readonly spec: {
    readonly endpointSelector: LabelSelector;
    readonly ingress: readonly CiliumIngressRule[];
    readonly egress: readonly CiliumEgressRule[];
  };
}

export interface CiliumIngressRule {
  readonly fromEndpoints?: readonly LabelSelector[];
  readonly fromCIDRSet?: readonly IpBlock[];
  readonly fromEntities?: readonly CiliumEntity[];
  readonly toPorts?: readonly CiliumPortRule[];
}

export interface CiliumEgressRule {
  readonly toEndpoints?: readonly LabelSelector[];
  readonly toCIDRSet?: readonly IpBlock[];
  readonly toEntities?: readonly CiliumEntity[];
  readonly toFQDNs?: readonly { readonly matchName: string }[];
  readonly toPorts?: readonly CiliumPortRule[];
}

/** `host` is the pod's own node, `remote-node` every other one. */
export type CiliumEntity = 'kube-apiserver' | 'host' | 'remote-node' | 'world';

export interface CiliumPortRule {
  readonly ports: readonly CiliumPort[];
  /** Sends DNS through Cilium's proxy, which learns from the answers what `toFQDNs` means. */
  readonly rules?: { readonly dns: readonly { readonly matchPattern: string }[] };
}

export interface CiliumPort {
  /** A number as text, or the name of a container port. */
  readonly port: string;
  readonly endPort?: number;
  readonly protocol: PolicyProtocol;
}

/** Cilium refuses more ports than this in one list. */
export const ciliumPortsPerList = 40;

/** The label that stands for a pod's namespace in Cilium's selectors, and the prefix of labels that come from Kubernetes. */
export const ciliumNamespaceLabel = 'k8s:io.kubernetes.pod.namespace';
export const ciliumLabelPrefix = 'k8s:';
