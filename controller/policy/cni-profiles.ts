import type { CniName } from '../model/profile.ts';

/** `unknown`: the answer differs by version or setting of the plugin, or no source that we trust says it. */
export type Fact = 'yes' | 'no' | 'unknown';

/** What one network plugin does where the NetworkPolicy API leaves plugins free. */
export interface CniProfile {
  readonly name: CniName;
  /** Does an ipBlock match the address of a pod of the cluster? */
  readonly ipBlockMatchesPods: Fact;
  /** Does an ipBlock match the address of a node (and so of hostNetwork pods)? */
  readonly ipBlockMatchesNodes: Fact;
  /** Are named ports resolved on the destination pod? */
  readonly namedPorts: Fact;
  /** Is endPort honoured? Where it is not, a range shrinks to its first port. */
  readonly endPort: Fact;
  /** Are rules for SCTP ports honoured? */
  readonly sctp: Fact;
  /** May a node reach the pods that run on it (kubelet probes), whatever the ingress policies say? */
  readonly ownNodeExempt: Fact;
  /** May every node reach every pod, whatever the ingress policies say? */
  readonly anyNodeExempt: Fact;
  /** Which destination address egress rules see for traffic to a Service. */
  readonly egressSees: 'backend' | 'service' | 'unknown';
  /** Output dialects that the plugin understands, the portable one first. */
  readonly dialects: readonly ('kubernetes' | 'cilium')[];
}

/** The names of the facts that a verdict can hang on. */
export type CniFact =
  | 'ipBlockMatchesPods'
  | 'ipBlockMatchesNodes'
  | 'namedPorts'
  | 'endPort'
  | 'sctp'
  | 'ownNodeExempt'
  | 'anyNodeExempt';

const profiles: { readonly [Name in CniName]: Omit<CniProfile, 'name'> } = {
  generic: {
    ipBlockMatchesPods: 'unknown',
    ipBlockMatchesNodes: 'unknown',
    namedPorts: 'unknown',
    endPort: 'yes',
    sctp: 'yes',
    ownNodeExempt: 'yes',
    anyNodeExempt: 'unknown',
    egressSees: 'unknown',
    dialects: ['kubernetes'],
  },
  calico: {
    ipBlockMatchesPods: 'yes',
    ipBlockMatchesNodes: 'yes',
    namedPorts: 'yes',
    endPort: 'yes',
    sctp: 'yes',
    ownNodeExempt: 'yes',
    anyNodeExempt: 'no',
    egressSees: 'backend',
    dialects: ['kubernetes'],
  },
  cilium: {
    ipBlockMatchesPods: 'no',
    ipBlockMatchesNodes: 'no',
    namedPorts: 'yes',
    endPort: 'unknown',
    sctp: 'unknown',
    ownNodeExempt: 'yes',
    anyNodeExempt: 'no',
    egressSees: 'backend',
    dialects: ['kubernetes', 'cilium'],
  },
  'aws-vpc-cni': {
    ipBlockMatchesPods: 'yes',
    ipBlockMatchesNodes: 'yes',
    namedPorts: 'yes',
    endPort: 'yes',
    sctp: 'unknown',
    ownNodeExempt: 'yes',
    anyNodeExempt: 'unknown',
    egressSees: 'service',
    dialects: ['kubernetes'],
  },
  'azure-npm': {
    ipBlockMatchesPods: 'yes',
    ipBlockMatchesNodes: 'unknown',
    namedPorts: 'yes',
    endPort: 'unknown',
    sctp: 'unknown',
    ownNodeExempt: 'yes',
    anyNodeExempt: 'unknown',
    egressSees: 'backend',
    dialects: ['kubernetes'],
  },
  'gke-dataplane-v2': {
    ipBlockMatchesPods: 'no',
    ipBlockMatchesNodes: 'no',
    namedPorts: 'yes',
    endPort: 'unknown',
    sctp: 'unknown',
    ownNodeExempt: 'yes',
    anyNodeExempt: 'no',
    egressSees: 'backend',
    dialects: ['kubernetes'],
  },
  antrea: {
    ipBlockMatchesPods: 'yes',
    ipBlockMatchesNodes: 'yes',
    namedPorts: 'yes',
    endPort: 'yes',
    sctp: 'yes',
    ownNodeExempt: 'yes',
    anyNodeExempt: 'no',
    egressSees: 'backend',
    dialects: ['kubernetes'],
  },
  'kube-router': {
    ipBlockMatchesPods: 'yes',
    ipBlockMatchesNodes: 'yes',
    namedPorts: 'yes',
    endPort: 'yes',
    sctp: 'unknown',
    ownNodeExempt: 'yes',
    anyNodeExempt: 'unknown',
    egressSees: 'backend',
    dialects: ['kubernetes'],
  },
};

export function cniProfile(name: CniName): CniProfile {
  return { name, ...profiles[name] };
}
