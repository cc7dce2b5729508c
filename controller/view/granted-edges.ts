import type { Endpoint } from '../model/endpoint.ts';
import type { PolicyProposal } from '../model/policy-proposal.ts';
import { parseWorkloadKey, type WorkloadKey } from '../model/workload.ts';
import type { GraphEdge } from './graph-shape.ts';
import { type NodeFacts, nodeKey, type NodeScope } from './graph-nodes.ts';
import { parseOverGrant } from './over-grant.ts';

/** What a proposal, or what is in force of it, allows beyond what was seen. */
export interface GrantedEdge {
  readonly source: Endpoint;
  readonly destination: Endpoint;
  /** `TCP 6379`. */
  readonly ports: string;
}

/** The over-grants of proposals that wait or are in force. */
export function grantsOf(proposals: readonly PolicyProposal[]): GrantedEdge[] {
  return proposals.flatMap(({ metadata, spec, status }) => {
    const [workload] = spec.workloads;
    const state = status?.state;
    const counts = state === 'Learning' || state === 'Ready' || state === 'Approved' || state === 'Enforced';
    if (workload === undefined || status === undefined || !counts) return [];
    const own: Endpoint = { kind: 'workload', workload: `${metadata.namespace}/${workload}` as WorkloadKey };
    return status.proof.overGrants.flatMap((words) => {
      const grant = parseOverGrant(words);
      if (grant === undefined) return [];
      const other = peerOf(grant.peer);
      const [source, destination] = grant.direction === 'ingress' ? [other, own] : [own, other];
      return [{ source, destination, ports: `${grant.protocol} ${grant.ports}` }];
    });
  });
}

/** A workload, or a block of addresses in the place of one address. */
function peerOf(text: string): Endpoint {
  const isWorkload = /^[^/]+\/[A-Z][^/]*\/[^/]+$/.test(text);
  if (isWorkload) return { kind: 'workload', workload: text as WorkloadKey };
  return { kind: 'external', address: text.replace(/\/(?:32|128)$/, '') };
}

/** Those between nodes of the view that nothing was seen between. */
export function grantedEdges(
  { granted, facts }: { readonly granted: readonly GrantedEdge[]; readonly facts: NodeFacts },
  scope: NodeScope,
  { namespaces, workloads }: { readonly namespaces?: ReadonlySet<string>; readonly workloads?: ReadonlySet<string> },
  wasSeen: (source: string, target: string) => boolean,
): GraphEdge[] {
  const found = new Map<string, { source: string; target: string; ports: Set<string> }>();
  for (const { source: from, destination: to, ports } of granted) {
    const ends = [from, to].flatMap((end) => (end.kind === 'workload' ? [end.workload] : []));
    if (!ends.some((end) => scope.maySee(parseWorkloadKey(end).namespace))) continue;
    if (workloads && !ends.some((end) => workloads.has(end))) continue;
    if (namespaces && !ends.some((end) => namespaces.has(parseWorkloadKey(end).namespace))) continue;
    const [source, target] = [nodeKey(from, scope, facts), nodeKey(to, scope, facts)];
    if (wasSeen(source, target)) continue;
    const key = `${source} ${target}`;
    const edge = found.get(key) ?? { source, target, ports: new Set<string>() };
    edge.ports.add(ports);
    found.set(key, edge);
  }
  return [...found.values()].map(({ source, target, ports }) => ({
    source,
    target,
    attributes: {
      state: 'over-grant',
      ports: [...ports].slice(0, mostPorts).join('; '),
      connections: 0,
      passed: 0,
      denied: 0,
    },
  }));
}

const mostPorts = 8;
