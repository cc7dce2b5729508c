import type { Connection } from '../model/connection.ts';
import type { NetworkPolicy } from '../model/network-policy.ts';
import type { PolicyProposal } from '../model/policy-proposal.ts';
import { protocolName } from '../model/protocol.ts';
import type { WorkloadKey } from '../model/workload.ts';
import type { Verdict } from '../policy/evaluate/decide.ts';
import type { ProofWorld } from '../policy/proof-world.ts';
import type { ConnectionJudge } from './connection-judge.ts';
import { inForce } from './decided.ts';
import type { DecisionChanges, ReadPolicies } from './decision-changes.ts';
import { grantsOf } from './granted-edges.ts';
import { type NodeFacts, nodeKey, type NodeScope } from './graph-nodes.ts';
import { PolicyBody, strictest } from './policy-body.ts';
import type { EffectEdge, ProposalEffect, Reach } from './proposal-shape.ts';

export interface EffectInput {
  readonly world: ProofWorld;
  readonly facts: NodeFacts;
  readonly maySee: (namespace: string) => boolean;
  readonly connectionsOf: (workload: WorkloadKey) => readonly Connection[];
  readonly judge: ConnectionJudge;
  readonly read: ReadPolicies;
  readonly incomplete: DecisionChanges['incomplete'];
}

/** What may pass now and what may once the proposal is in force, of what was seen and of what it grants beside. */
export function proposalEffect(proposal: PolicyProposal, input: EffectInput): ProposalEffect {
  const { metadata, spec, status } = proposal;
  const { world, facts, maySee, judge } = input;
  const scope: NodeScope = { level: 'workload', expanded: new Set(), maySee };
  const own = new Set(spec.workloads.map((workload) => `${metadata.namespace}/${workload}` as WorkloadKey));
  const after = new PolicyBody(policiesAfter(proposal, input), world);
  const edges = new Map<string, EffectEdge & { readonly ports: string }>();
  const connections = new Map([...own].flatMap(input.connectionsOf).map((one) => [one.id, one]));
  for (const connection of connections.values()) {
    const { source, destination, protocol, port, directed, evidence } = connection;
    if (!directed) continue;
    const asked = { source, destination, protocol, port, directed, passed: evidence.allowed + evidence.audited > 0 };
    const sides = (['egress', 'ingress'] as const).map((direction) => {
      const end = direction === 'ingress' ? destination : source;
      const before = judge.sideInForce(direction, asked);
      const isOwn = end.kind === 'workload' && own.has(end.workload);
      return { before, after: isOwn ? after.side(direction, asked) : before };
    });
    addEdge(edges, {
      source: nodeKey(source, scope, facts),
      target: nodeKey(destination, scope, facts),
      ports: `${protocolName(protocol)}${port === 0 ? '' : ` ${port}`}`,
      seen: true,
      before: reach(strictest(sides.map((side) => side.before))),
      after: reach(strictest(sides.map((side) => side.after))),
    });
  }
  const seenPairs = new Set([...edges.values()].map(({ source, target }) => `${source} ${target}`));
  for (const { source: from, destination: to, ports } of grantsOf([proposal])) {
    const [source, target] = [nodeKey(from, scope, facts), nodeKey(to, scope, facts)];
    if (seenPairs.has(`${source} ${target}`)) continue;
    addEdge(edges, { source, target, ports, seen: false, before: 'unknown', after: 'allowed' });
  }
  const all = [...edges.values()];
  const closed = new Set(
    all
      .filter((edge) => edge.before !== 'denied' && edge.after === 'denied')
      .map(({ source, target }) => `${source} ${target}`),
  ).size;
  const { reachableBefore = 0, reachableAfter = 0 } = status?.proof ?? {};
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    digest: status?.digest ?? '',
    edges: all,
    closesUnused: Math.max(0, reachableBefore - reachableAfter - closed),
    incomplete: input.incomplete ?? null,
  };
}

/** Those of its namespace: no others select its workloads. */
function policiesAfter(proposal: PolicyProposal, { world, read }: EffectInput): NetworkPolicy[] {
  const { metadata, spec, status } = proposal;
  const { namespace } = metadata;
  const proposed = read(spec.policies, 'the proposal', namespace).policies;
  const former = read((status && inForce(status)?.policies) ?? '', 'what is in force', namespace).policies;
  const replaced = new Set([...proposed, ...former].map((policy) => policy.metadata.name));
  const staying = world.index.cluster.policies.filter(
    (policy) => policy.metadata.namespace === namespace && !replaced.has(policy.metadata.name),
  );
  return [...staying, ...proposed];
}

function reach(verdict: Verdict | undefined): Reach {
  return verdict ?? 'allowed';
}

/** Connections of one pair that fare alike are one edge. */
function addEdge(edges: Map<string, EffectEdge>, edge: EffectEdge): void {
  const key = `${edge.source} ${edge.target} ${edge.before} ${edge.after} ${edge.seen}`;
  const known = edges.get(key);
  if (known === undefined) edges.set(key, edge);
  else if (!known.ports.split(', ').includes(edge.ports) && known.ports.length < mostText) {
    edges.set(key, { ...known, ports: `${known.ports}, ${edge.ports}` });
  }
}

const mostText = 120;
