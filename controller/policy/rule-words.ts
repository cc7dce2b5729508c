import { type Connection, replicaLimit } from '../model/connection.ts';
import { counted } from '../model/counted.ts';
import { endpointWords } from '../model/endpoint.ts';
import type { DraftPeer, DraftPort, DraftRule, PolicyDraft } from '../model/policy-draft.ts';
import { policyProtocols, protocolName } from '../model/protocol.ts';

/** More peers or ports than this are counted, not listed. */
export const listedPeers = 8;
export const listedPorts = 16;

/**
 * One rule for a person, on one line: `from shop/Deployment/frontend to TCP 8080` or
 * `to 203.0.113.7/32 (api.example.com) on TCP 443`; a named allowance says that it is one.
 */
export function ruleWords(rule: DraftRule, direction: 'ingress' | 'egress', draft: PolicyDraft): string {
  const peers = cut(
    rule.peers.flatMap((peer) => peerWords(peer, draft)),
    listedPeers,
    'peers',
  );
  const ports = portWords(rule.ports);
  const words = direction === 'ingress' ? `from ${peers} to ${ports}` : `to ${peers} on ${ports}`;
  return rule.because === 'learned' ? words : `${words} (named allowance: ${rule.because})`;
}

function peerWords(peer: DraftPeer, draft: PolicyDraft): string[] {
  switch (peer.kind) {
    case 'pods':
      return peer.workloads.map((key) => (draft.workloads.includes(key) ? `${key} (itself)` : key));
    case 'cidr': {
      const except = peer.except.length > 0 ? ` except ${peer.except.join(', ')}` : '';
      const names = [...(peer.network === undefined ? [] : [`network ${peer.network}`]), ...peer.dnsNames];
      return [`${peer.cidr}${except}${names.length > 0 ? ` (${names.join(', ')})` : ''}`];
    }
    case 'apiserver':
      return ['the API server'];
    case 'nodes':
      return ['the nodes of the cluster'];
    case 'world':
      return ['every address outside of the cluster'];
  }
}

function portWords(ports: readonly DraftPort[]): string {
  const parts = policyProtocols.flatMap((protocol) => {
    const numbers = ports.filter((port) => port.protocol === protocol).map(onePort);
    return numbers.length === 0 ? [] : [`${protocol} ${cut(numbers, listedPorts, 'ports')}`];
  });
  return parts.join('; ');
}

function onePort({ port, endPort, name }: DraftPort): string {
  if (name !== undefined) return `${name} (${port})`;
  return endPort === undefined ? `${port}` : `${port}-${endPort}`;
}

/** The first of many, and how many more there are. */
export function cut(items: readonly string[], limit: number, noun: string): string {
  if (items.length <= limit) return items.join(', ');
  return `${items.slice(0, limit).join(', ')} and ${items.length - limit} more ${noun}`;
}

/**
 * `seen 312 times from 2 replicas, first 2026-11-01T10:00Z, last 2026-11-20T11:05Z (hubble)`; of what never passed,
 * `asked for by 3 denied attempts from 1 replica, …`.
 */
export function evidenceWords({ evidence, attempted }: Connection): string {
  const { allowed, audited, denied, answered, clientReplicas, firstMs, lastMs, sources } = evidence;
  const parts = [
    `${attempted ? askedFor(denied) : timesSeen(allowed + audited)}${replicaWords(clientReplicas)}`,
    ...(denied > 0 && !attempted ? [`${denied} denied`] : []),
    ...(answered === 'no' ? ['never answered'] : []),
    `first ${minute(firstMs)}`,
    `last ${minute(lastMs)}`,
  ];
  return `${parts.join(', ')} (${sources.join(', ')})`;
}

/** Many connections in one line: how many, how often, from when to when, seen by whom. */
export function evidenceSummary(connections: readonly Connection[]): string {
  let count = 0;
  let denied = 0;
  let asked = 0;
  let firstMs = Number.POSITIVE_INFINITY;
  let lastMs = Number.NEGATIVE_INFINITY;
  const sources = new Set<string>();
  for (const { evidence, attempted } of connections) {
    count += evidence.allowed + evidence.audited;
    if (attempted) {
      asked += 1;
      denied += evidence.denied;
    }
    firstMs = Math.min(firstMs, evidence.firstMs);
    lastMs = Math.max(lastMs, evidence.lastMs);
    for (const source of evidence.sources) sources.add(source);
  }
  const passed = connections.length - asked;
  const parts = [
    ...(passed > 0 ? [`${timesSeen(count)} in ${counted(passed, 'connection')}`] : []),
    ...(asked > 0 ? [`${askedFor(denied)} of ${counted(asked, 'connection')}`] : []),
    `first ${minute(firstMs)}`,
    `last ${minute(lastMs)}`,
  ];
  return `${parts.join(', ')} (${[...sources].sort().join(', ')})`;
}

/** The other side and the port of a connection: `shop/Deployment/cart TCP 8080`. */
export function connectionWords(
  { source, destination, protocol, port }: Connection,
  direction: 'ingress' | 'egress',
): string {
  return `${endpointWords(direction === 'ingress' ? source : destination)} ${protocolName(protocol)} ${port}`;
}

function timesSeen(count: number): string {
  return count === 1 ? 'seen once' : `seen ${count} times`;
}

/** Sources without verdicts count no attempts: they only show that nobody answered. */
function askedFor(denied: number): string {
  return denied === 0 ? 'asked for by attempts without an answer' : `asked for by ${counted(denied, 'denied attempt')}`;
}

function replicaWords(replicas: number): string {
  if (replicas === 0) return '';
  if (replicas === 1) return ' from 1 replica';
  return ` from ${replicas}${replicas >= replicaLimit ? ' or more' : ''} replicas`;
}

function minute(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 16)}Z`;
}
