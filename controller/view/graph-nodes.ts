import { cidrContains, hostCidr, parseCidr, parseIp } from '../model/cidr.ts';
import { type Endpoint, isApiServer } from '../model/endpoint.ts';
import type { PolicyProposal, ProposalState } from '../model/policy-proposal.ts';
import type { NamedNetwork } from '../model/profile.ts';
import { parseWorkloadKey, type WorkloadKey } from '../model/workload.ts';
import type { GraphLevel, GraphNode, NodeAttributes } from './graph-shape.ts';

/** More addresses outside of the cluster than this are one node, but for those in named networks. */
const mostAddresses = 300;

/** How endpoints become nodes: what is folded together, and what the caller may see. */
export interface NodeScope {
  readonly level: GraphLevel;
  /** Namespaces whose workloads are told apart at the level `namespace` too. */
  readonly expanded: ReadonlySet<string>;
  readonly maySee: (namespace: string) => boolean;
}

/** What is known of nodes beside their endpoints. */
export interface NodeFacts {
  /** Of each workload, in the order of preference, the proposal that is about it. */
  readonly proposals: ReadonlyMap<WorkloadKey, { readonly name: string; readonly state: ProposalState | 'New' }>;
  /** By namespace, how many of its proposals are in which state. */
  readonly proposalStates: ReadonlyMap<string, Readonly<Record<string, number>>>;
  readonly workloadsIn: ReadonlyMap<string, number>;
  readonly networks: readonly NamedNetwork[];
  readonly isExempt: (namespace: string) => boolean;
  readonly dnsNamesOf: (endpoint: Endpoint) => readonly string[];
  /** Distinct addresses outside of the cluster that were seen. */
  readonly addresses: number;
}

export const hiddenKey = 'hidden:';
const outsideKey = 'external:*';

/** The key of the node that an endpoint belongs to. */
export function nodeKey(endpoint: Endpoint, scope: NodeScope, facts: NodeFacts): string {
  switch (endpoint.kind) {
    case 'workload': {
      const { namespace } = parseWorkloadKey(endpoint.workload);
      if (!scope.maySee(namespace)) return hiddenKey;
      return scope.level === 'workload' || scope.expanded.has(namespace)
        ? `workload:${endpoint.workload}`
        : `namespace:${namespace}`;
    }
    case 'node':
      return 'infrastructure:nodes';
    case 'service': {
      const { namespace, name } = endpoint;
      if (isApiServer(endpoint)) return 'infrastructure:api-server';
      if (!scope.maySee(namespace)) return hiddenKey;
      return scope.level === 'workload' || scope.expanded.has(namespace)
        ? `service:${namespace}/${name}`
        : `namespace:${namespace}`;
    }
    case 'external': {
      const network = networkOf(endpoint.address, facts.networks);
      if (network !== undefined) return `network:${network}`;
      return scope.level === 'namespace' || facts.addresses > mostAddresses
        ? outsideKey
        : `external:${endpoint.address}`;
    }
    case 'unknown':
      return `unknown:${endpoint.reason}`;
  }
}

/** Whether every endpoint has the same key under both. */
export function haveSameKeys(a: NodeFacts, b: NodeFacts): boolean {
  return a.networks === b.networks && a.addresses > mostAddresses === b.addresses > mostAddresses;
}

/** The node of a key that `nodeKey` made. */
export function nodeOf(key: string, facts: NodeFacts): GraphNode {
  return { key, attributes: attributesOf(key, facts) };
}

function attributesOf(key: string, facts: NodeFacts): NodeAttributes {
  const colon = key.indexOf(':');
  const name = key.slice(colon + 1);
  const plain = { namespace: '', of: '', workloads: 0 };
  switch (key.slice(0, colon)) {
    case 'namespace':
      return {
        ...plain,
        label: name,
        kind: 'namespace',
        namespace: name,
        workloads: facts.workloadsIn.get(name) ?? 0,
        ...exempt(name, facts),
        proposals: facts.proposalStates.get(name) ?? {},
      };
    case 'workload': {
      const workload = name as WorkloadKey;
      const { namespace, kind, name: label } = parseWorkloadKey(workload);
      const proposal = facts.proposals.get(workload);
      return {
        label,
        kind: 'workload',
        namespace,
        of: kind,
        workloads: 1,
        ...exempt(namespace, facts),
        ...(proposal && { proposal }),
      };
    }
    case 'service': {
      const slash = name.indexOf('/');
      const namespace = name.slice(0, slash);
      return { ...plain, label: `Service ${name.slice(slash + 1)}`, kind: 'infrastructure', namespace, of: 'service' };
    }
    case 'infrastructure':
      return { ...plain, label: name === 'nodes' ? 'nodes' : 'API server', kind: 'infrastructure', of: name };
    case 'network':
      return { ...plain, label: name, kind: 'external', of: 'network' };
    case 'external': {
      if (name === '*') return { ...plain, label: 'outside of the cluster', kind: 'external', of: 'all' };
      const dnsNames = facts.dnsNamesOf({ kind: 'external', address: name });
      return { ...plain, label: dnsNames[0] ?? name, kind: 'external', of: 'address', ...named(dnsNames) };
    }
    case 'unknown':
      return { ...plain, label: unknownWords[name] ?? name, kind: 'unknown', of: name };
    default:
      return { ...plain, label: 'another namespace (hidden)', kind: 'hidden' };
  }
}

const unknownWords: Readonly<Record<string, string>> = {
  ambiguous: 'several owners',
  'before-inventory': 'before the inventory',
  'no-owner': 'nobody knows whose',
  'not-in-inventory': 'not in the inventory',
  'service-without-backend': 'Service without backend',
  unnamed: 'unnamed',
};

function exempt(namespace: string, { isExempt }: NodeFacts): Pick<NodeAttributes, 'exempt'> {
  return isExempt(namespace) ? { exempt: true } : {};
}

function named(dnsNames: readonly string[]): Pick<NodeAttributes, 'dnsNames'> {
  return dnsNames.length > 0 ? { dnsNames } : {};
}

function networkOf(address: string, networks: readonly NamedNetwork[]): string | undefined {
  if (networks.length === 0) return undefined;
  const ip = parseIp(address);
  if (ip === undefined) return undefined;
  const host = hostCidr(ip);
  return networks.find(({ cidrs }) =>
    cidrs.some((text) => {
      const cidr = parseCidr(text);
      return cidr !== undefined && cidrContains(cidr, host);
    }),
  )?.name;
}

/** What the proposals say of their workloads and namespaces; of several about one workload the one that is not superseded. */
export function proposalFacts(proposals: readonly PolicyProposal[]): Pick<NodeFacts, 'proposals' | 'proposalStates'> {
  const byWorkload = new Map<WorkloadKey, { readonly name: string; readonly state: ProposalState | 'New' }>();
  const states = new Map<string, Record<string, number>>();
  for (const { metadata, spec, status } of proposals) {
    const { namespace, name } = metadata;
    const state = status?.state ?? 'New';
    const counts = states.get(namespace) ?? {};
    counts[state] = (counts[state] ?? 0) + 1;
    states.set(namespace, counts);
    for (const workload of spec.workloads) {
      const key = `${namespace}/${workload}` as WorkloadKey;
      if (byWorkload.has(key) && state === 'Superseded') continue;
      byWorkload.set(key, { name, state });
    }
  }
  return { proposals: byWorkload, proposalStates: states };
}
