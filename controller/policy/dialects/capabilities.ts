import type { DraftPeer, DraftPort, PolicyDraft } from '../../model/policy-draft.ts';
import { type Problem, problem } from '../../model/problem.ts';
import type { CniProfile, Fact } from '../cni-profiles.ts';

/** What a policy draft can ask of the dialect that it is rendered to. */
export const dialectFeatures = [
  'pods',
  'cidr',
  'cidr-except',
  'apiserver',
  'nodes',
  'world',
  'fqdn',
  'named-port',
  'port-range',
  'sctp',
  'icmp',
] as const;
export type DialectFeature = (typeof dialectFeatures)[number];

/**
 * `exact`: said as it is meant. `as-addresses`: said by the addresses known today, which is exact until they change.
 * `none`: cannot be said.
 */
type DialectSupport = 'exact' | 'as-addresses' | 'none';
export type DialectCapabilities = Readonly<Record<DialectFeature, DialectSupport>>;

export const kubernetesCapabilities: DialectCapabilities = {
  pods: 'exact',
  cidr: 'exact',
  'cidr-except': 'exact',
  apiserver: 'as-addresses',
  nodes: 'as-addresses',
  world: 'exact',
  fqdn: 'as-addresses',
  'named-port': 'exact',
  'port-range': 'exact',
  sctp: 'exact',
  icmp: 'none',
};

export const ciliumCapabilities: DialectCapabilities = {
  pods: 'exact',
  cidr: 'exact',
  'cidr-except': 'exact',
  apiserver: 'exact',
  nodes: 'exact',
  world: 'exact',
  fqdn: 'exact',
  'named-port': 'exact',
  'port-range': 'exact',
  sctp: 'exact',
  icmp: 'none',
};

/** The features that a draft asks for, in the order of the table. */
export function featuresOf({ ingress, egress }: PolicyDraft): ReadonlySet<DialectFeature> {
  const features = new Set<DialectFeature>();
  for (const { peers, ports } of [...ingress, ...egress]) {
    for (const peer of peers) addPeerFeatures(peer, features);
    for (const port of ports) addPortFeatures(port, features);
  }
  return features;
}

function addPeerFeatures(peer: DraftPeer, features: Set<DialectFeature>): void {
  features.add(peer.kind);
  if (peer.kind !== 'cidr') return;
  if (peer.except.length > 0) features.add('cidr-except');
  if (peer.dnsNames.length > 0) features.add('fqdn');
}

function addPortFeatures({ protocol, endPort, name }: DraftPort, features: Set<DialectFeature>): void {
  if (protocol === 'SCTP') features.add('sctp');
  if (name !== undefined) features.add('named-port');
  else if (endPort !== undefined) features.add('port-range');
}

const featureWords: Readonly<Record<DialectFeature, string>> = {
  pods: 'pods by label',
  cidr: 'addresses',
  'cidr-except': 'address blocks with exceptions',
  apiserver: 'the API server',
  nodes: 'nodes of the cluster',
  world: 'everything outside of the cluster',
  fqdn: 'DNS names',
  'named-port': 'ports by name',
  'port-range': 'port ranges',
  sctp: 'SCTP',
  icmp: 'ICMP',
};

/** What a draft asks for that the dialect cannot say, or that the network plugin behind it does not do. */
export function gaps(
  draft: PolicyDraft,
  dialect: CniProfile['dialects'][number],
  capabilities: DialectCapabilities,
  cni: CniProfile,
): Problem[] {
  const where = `${draft.namespace}/${draft.name}`;
  const found: Problem[] = [];
  if (!cni.dialects.includes(dialect)) {
    found.push(problem('NotExpressible', `the network plugin ${cni.name} does not read the dialect ${dialect}`, where));
  }
  for (const feature of featuresOf(draft)) {
    if (capabilities[feature] === 'none') {
      found.push(problem('NotExpressible', `the dialect ${dialect} cannot say ${featureWords[feature]}`, where));
    } else if (pluginSupport(feature, capabilities, cni) === 'no') {
      const message = `the network plugin ${cni.name} does not enforce ${featureWords[feature]} in the dialect ${dialect}`;
      found.push(problem('NotExpressible', message, where));
    }
  }
  return found;
}

function pluginSupport(feature: DialectFeature, capabilities: DialectCapabilities, cni: CniProfile): Fact {
  switch (feature) {
    case 'named-port':
      return cni.namedPorts;
    case 'port-range':
      return cni.endPort;
    case 'sctp':
      return cni.sctp;
    case 'nodes':
      return capabilities.nodes === 'as-addresses' ? cni.ipBlockMatchesNodes : 'yes';
    case 'pods':
    case 'cidr':
    case 'cidr-except':
    case 'apiserver':
    case 'world':
    case 'fqdn':
    case 'icmp':
      return 'yes';
  }
}

/** Notes on what the dialect says by addresses, which have to be proposed anew when they change. */
export function addressNotes(draft: PolicyDraft, capabilities: DialectCapabilities): string[] {
  return [...featuresOf(draft)]
    .filter((feature) => capabilities[feature] === 'as-addresses')
    .map((feature) => `${featureWords[feature]}: written as the addresses seen; a change of them needs a new proposal`);
}

/** Addresses of a peer that cannot be written: no address at all, or a block that its own exceptions cover. */
export function lostAddresses(draft: PolicyDraft, direction: 'ingress' | 'egress', lost: readonly string[]): Problem {
  const at = `${draft.namespace}/${draft.name} ${direction}`;
  return problem('NotExpressible', `no address block can be written for ${lost.join(', ')}`, at);
}
