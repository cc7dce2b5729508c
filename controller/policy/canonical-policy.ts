import type { LabelSelector } from '../model/label-selector.ts';
import {
  isolatedDirections,
  type NetworkPolicy,
  type NetworkPolicySpec,
  type PolicyPeer,
  type PolicyPort,
} from '../model/network-policy.ts';

/**
 * Policies as one text for digests: JSON with the keys of every object in order and nothing that is undefined. Policies,
 * rules, peers and ports keep their order.
 */
export function canonicalPolicies(policies: readonly NetworkPolicy[]): string {
  return canonicalJson(policies);
}

/**
 * Whether two specs say the same, once the API's defaults are filled in: TCP, policyTypes by the rules that are there, and
 * empty for absent lists. Exact in everything else, the order of rules included: whoever reads both sees no difference.
 */
export function samePolicySpec(a: NetworkPolicySpec, b: NetworkPolicySpec): boolean {
  return canonicalSpec(a) === canonicalSpec(b);
}

/** Of specs, which are values: what is in force is compared at every look. */
const canonical = new WeakMap<NetworkPolicySpec, string>();

/** One text for all specs that `samePolicySpec` takes for the same. */
export function canonicalSpec(spec: NetworkPolicySpec): string {
  let text = canonical.get(spec);
  if (text === undefined) canonical.set(spec, (text = canonicalJson(defaulted(spec))));
  return text;
}

function defaulted(spec: NetworkPolicySpec): unknown {
  return {
    podSelector: selectorOf(spec.podSelector),
    policyTypes: [...new Set(isolatedDirections(spec))].sort(),
    // a direction without rules denies; a rule without peers or ports means all of them, listed as none or not listed
    ingress: (spec.ingress ?? []).map(({ from, ports }) => ({ peers: peersOf(from), ports: portsOf(ports) })),
    egress: (spec.egress ?? []).map(({ to, ports }) => ({ peers: peersOf(to), ports: portsOf(ports) })),
  };
}

function peersOf(peers: readonly PolicyPeer[] = []): unknown[] {
  return peers.map(({ podSelector, namespaceSelector, ipBlock }) => ({
    // a selector that selects all is not one that is absent
    podSelector: podSelector && selectorOf(podSelector),
    namespaceSelector: namespaceSelector && selectorOf(namespaceSelector),
    ipBlock: ipBlock && { cidr: ipBlock.cidr, except: ipBlock.except ?? [] },
  }));
}

function portsOf(ports: readonly PolicyPort[] = []): unknown[] {
  return ports.map(({ protocol = 'TCP', port, endPort }) => ({ protocol, port, endPort }));
}

function selectorOf({ matchLabels = {}, matchExpressions = [] }: LabelSelector): unknown {
  return {
    matchLabels,
    matchExpressions: matchExpressions.map(({ key, operator, values = [] }) => ({ key, operator, values })),
  };
}

function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`);
  return `{${fields.join()}}`;
}
