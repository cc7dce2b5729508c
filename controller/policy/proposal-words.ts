import { parseCidr, parseIp } from '../model/cidr.ts';
import {
  type IpBlock,
  isolatedDirections,
  type NetworkPolicy,
  type PolicyPeer,
  type PolicyPort,
} from '../model/network-policy.ts';
import { policyProtocols } from '../model/protocol.ts';
import type { WorkloadKey } from '../model/workload.ts';
import type { Direction } from './evaluate/compile-policies.ts';
import { peerWords } from './pods-to-come.ts';
import type { ProofWorld } from './proof-world.ts';
import { cut, listedPeers, listedPorts } from './rule-words.ts';

/** A rule of a policy for a person, by what it means today. */
export interface RuleInWords {
  /** Name of the policy that it is in. */
  readonly policy: string;
  readonly direction: Direction;
  /** `from shop/Deployment/web to TCP 8080`; of a direction without rules, `nothing is let in`. */
  readonly words: string;
}

/**
 * The rules of any policies in words, in their order: peers by the workloads that their labels select, which a text that a
 * person edited does not say itself. Whoever wrote them, `from everybody` and `every port` are said aloud.
 */
export function ruleWordsOf(policies: readonly NetworkPolicy[], world: ProofWorld): RuleInWords[] {
  return policies.flatMap((policy) => [
    ...directionWords(policy, 'ingress', world),
    ...directionWords(policy, 'egress', world),
  ]);
}

function directionWords(policy: NetworkPolicy, direction: Direction, world: ProofWorld): RuleInWords[] {
  const { metadata, spec } = policy;
  if (!isolatedDirections(spec).includes(direction === 'ingress' ? 'Ingress' : 'Egress')) return [];
  const rules =
    direction === 'ingress'
      ? (spec.ingress ?? []).map(({ from, ports }) => ({ peers: from ?? [], ports: ports ?? [] }))
      : (spec.egress ?? []).map(({ to, ports }) => ({ peers: to ?? [], ports: ports ?? [] }));
  const entry = (words: string) => ({ policy: metadata.name, direction, words });
  if (rules.length === 0) return [entry(direction === 'ingress' ? 'nothing is let in' : 'nothing is let out')];
  return rules.map(({ peers, ports }) => {
    const named =
      peers.length === 0
        ? 'everybody, inside and outside of the cluster'
        : cut([...new Set(peers.flatMap((peer) => peersInWords(peer, policy, world)))], listedPeers, 'peers');
    const open = ports.length === 0 ? 'every port' : portsInWords(ports);
    return entry(direction === 'ingress' ? `from ${named} to ${open}` : `to ${named} on ${open}`);
  });
}

function peersInWords(peer: PolicyPeer, { metadata, spec }: NetworkPolicy, { index }: ProofWorld): string[] {
  if (peer.ipBlock) return [blockInWords(peer.ipBlock, index.cluster)];
  const workloadsOf = (ids: readonly number[]) => [
    ...new Set(ids.map((id) => index.keys[index.classes[id]?.workload as number] as WorkloadKey)),
  ];
  const own = new Set(workloadsOf(index.selectPods({ name: metadata.namespace }, spec.podSelector)));
  const scope = peer.namespaceSelector ? { selector: peer.namespaceSelector } : { name: metadata.namespace };
  const selected = workloadsOf(index.selectPods(scope, peer.podSelector ?? {}));
  if (selected.length === 0) return [`${peerWords(peer)} (none today)`];
  return selected.map((key) => (own.has(key) ? `${key} (itself)` : key));
}

function blockInWords({ cidr, except = [] }: IpBlock, { apiServer, nodes }: ProofWorld['index']['cluster']): string {
  const holes = except.length > 0 ? ` except ${except.join(', ')}` : '';
  const block = parseCidr(cidr);
  const single = block && block.prefix === (block.family === 4 ? 32 : 128);
  const isIt = (ip: string) => {
    const address = parseIp(ip);
    return single && address?.family === block.family && address.value === block.value;
  };
  if (apiServer.ips.some(isIt)) return `${cidr} (the API server)`;
  const node = nodes.find(({ ips }) => ips.some(isIt));
  return node ? `${cidr} (node ${node.name})` : `${cidr}${holes}`;
}

function portsInWords(ports: readonly PolicyPort[]): string {
  const parts = policyProtocols.flatMap((wanted) => {
    const own = ports.filter(({ protocol = 'TCP' }) => protocol === wanted);
    if (own.length === 0) return [];
    if (own.some(({ port }) => port === undefined)) return [`every port of ${wanted}`];
    const numbers = own.map(({ port, endPort }) => (endPort === undefined ? `${port}` : `${port}-${endPort}`));
    return [`${wanted} ${cut([...new Set(numbers)], listedPorts, 'ports')}`];
  });
  return parts.join('; ');
}
