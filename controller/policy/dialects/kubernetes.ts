import type { EgressRule, IngressRule, NetworkPolicy, PolicyPeer, PolicyPort } from '../../model/network-policy.ts';
import type { DraftPeer, DraftPort, PolicyDraft } from '../../model/policy-draft.ts';
import type { CniProfile } from '../cni-profiles.ts';
import { addressNotes, gaps, kubernetesCapabilities, lostAddresses } from './capabilities.ts';
import type { Dialect, ReadBack, RenderedRule, Rendering } from './dialect.ts';
import { differences } from './differences.ts';
import { peerBlocks } from './ip-blocks.ts';
import { managedLabels, orderedSelector } from './ordered.ts';

/** networking.k8s.io/v1: one NetworkPolicy for each draft, understood by every network plugin that enforces policies. */
export const kubernetesDialect: Dialect = {
  name: 'kubernetes',
  capabilities: kubernetesCapabilities,
  render,
  readBack,
};

function render(draft: PolicyDraft, cni: CniProfile): Rendering {
  const inexpressible = gaps(draft, 'kubernetes', kubernetesCapabilities, cni);
  const rules: RenderedRule[] = [];
  const ingress: IngressRule[] = [];
  const egress: EgressRule[] = [];
  for (const direction of ['ingress', 'egress'] as const) {
    for (const rule of draft[direction]) {
      const peers: PolicyPeer[] = [];
      for (const peer of rule.peers) {
        if (peer.kind === 'pods') {
          peers.push(podPeer(peer));
          continue;
        }
        const { blocks, lost } = peerBlocks(peer);
        for (const block of blocks) peers.push({ ipBlock: block });
        if (lost.length > 0) inexpressible.push(lostAddresses(draft, direction, lost));
      }
      const ports = rule.ports.map(policyPort);
      // An empty list means everything in this API: a rule of which nothing is left must not be written at all.
      if (peers.length === 0 || ports.length === 0) continue;
      const rendered = direction === 'ingress' ? { from: peers, ports } : { to: peers, ports };
      if (direction === 'ingress') ingress.push(rendered);
      else egress.push(rendered);
      rules.push({ direction, rendered, rule });
    }
  }
  const policy: NetworkPolicy = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: draft.name, namespace: draft.namespace, labels: managedLabels },
    spec: { podSelector: orderedSelector(draft.subject), policyTypes: ['Ingress', 'Egress'], ingress, egress },
  };
  return { draft, objects: [policy], rules, inexpressible, notes: addressNotes(draft, kubernetesCapabilities) };
}

function podPeer({ podSelector, namespaceSelector }: Extract<DraftPeer, { readonly kind: 'pods' }>): PolicyPeer {
  const pods = orderedSelector(podSelector);
  if (namespaceSelector === undefined) return { podSelector: pods };
  return { namespaceSelector: orderedSelector(namespaceSelector), podSelector: pods };
}

function policyPort({ protocol, port, endPort, name }: DraftPort): PolicyPort {
  if (name !== undefined) return { protocol, port: name };
  return endPort === undefined ? { protocol, port } : { protocol, port, endPort };
}

/** The API's own shape is what the evaluator reads: it only has to be, to the last field, what was rendered. */
function readBack(documents: readonly unknown[], { objects }: Rendering): ReadBack {
  const faults = differences(objects, documents).map((path) => `not as rendered: document${path}`);
  return { policies: faults.length === 0 ? (documents as readonly NetworkPolicy[]) : [], identityPolicies: [], faults };
}
