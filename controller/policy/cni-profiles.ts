import type { Cluster } from '../model/cluster.ts';
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
  // What the API promises (endPort since 1.25, SCTP since 1.20, a pod's own node reaches it), and nothing that plugins
  // are known to do differently.
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
  // `nets` of a rule match any address; the host's own traffic to its workloads is accepted before policy.
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
  // CIDR rules match neither endpoints nor, unless policy-cidr-match-mode says nodes, hosts (cilium issue 12277);
  // allow-localhost defaults to always; endPort since 1.16, ignored before (issue 28684); SCTP has to be switched on.
  cilium: {
    ipBlockMatchesPods: 'no',
    ipBlockMatchesNodes: 'no',
    namedPorts: 'yes',
    endPort: 'yes',
    sctp: 'unknown',
    ownNodeExempt: 'yes',
    anyNodeExempt: 'no',
    egressSees: 'backend',
    dialects: ['kubernetes', 'cilium'],
  },
  // The controller turns selectors into addresses, so an ipBlock is like any other; named ports on ingress were not
  // resolved on every version (amazon-network-policy-controller-k8s issue 81); its conformance runs cover SCTP; the
  // agent sees egress before kube-proxy.
  'aws-vpc-cni': {
    ipBlockMatchesPods: 'yes',
    ipBlockMatchesNodes: 'yes',
    namedPorts: 'unknown',
    endPort: 'yes',
    sctp: 'yes',
    ownNodeExempt: 'yes',
    anyNodeExempt: 'unknown',
    egressSees: 'service',
    dialects: ['kubernetes'],
  },
  // iptables with ipsets; endPort is asked for in azure-container-networking issue 2313.
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
  // Built on Cilium, whose version and settings the provider chooses; it does not offer CiliumNetworkPolicy.
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
  // Open vSwitch flows on addresses.
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
  // iptables with ipsets; traffic of the pod's own node is accepted first (kube-router issue 87), other nodes' is not
  // (issue 332).
  'kube-router': {
    ipBlockMatchesPods: 'yes',
    ipBlockMatchesNodes: 'yes',
    namedPorts: 'yes',
    endPort: 'yes',
    sctp: 'unknown',
    ownNodeExempt: 'yes',
    anyNodeExempt: 'no',
    egressSees: 'backend',
    dialects: ['kubernetes'],
  },
};

/** What holds in a cluster with this plugin: no plugin honours a range that the API server does not store. */
export function cniProfile(name: CniName, { portRanges }: Pick<Cluster, 'portRanges'> = {}): CniProfile {
  const profile = { name, ...profiles[name] };
  return portRanges === false ? { ...profile, endPort: 'no' } : profile;
}
