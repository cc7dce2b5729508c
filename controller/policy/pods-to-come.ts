import { type ConnectionSet, connectionSet, containsConnections, unionConnections } from '../model/connection-set.ts';
import { formatSelector, type LabelSelector } from '../model/label-selector.ts';
import type { NetworkPolicy, PolicyPeer, PolicyPort } from '../model/network-policy.ts';
import { allPorts, isPort, noPorts, portSet } from '../model/port-set.ts';
import type { PolicyProtocol } from '../model/protocol.ts';
import type { Direction } from './evaluate/compile-policies.ts';
import { isWithin, type SelectorAtom, selectorAtoms } from './selector-implication.ts';

/** Peers by label that one set of policies lets through, and the ports that they get. */
interface OpenPeers {
  /** Undefined: everybody. */
  readonly peers: readonly PolicyPeer[] | undefined;
  readonly numbers: ConnectionSet;
  /** `TCP/http`: what they mean differs from pod to pod. */
  readonly names: readonly string[];
}

/**
 * Selectors of `wide` that may let pods through which `narrow` will not, in words: whatever pods there are today, others
 * may come that match. Empty when every selector of `wide` is within those of `narrow`, for the ports that it opens.
 */
export function podsToCome(
  wide: readonly NetworkPolicy[],
  narrow: readonly NetworkPolicy[],
  direction: Direction,
): string[] {
  const known = openPeers(narrow, direction);
  return openPeers(wide, direction).flatMap(({ peers, numbers, names }) =>
    (peers ?? []).flatMap((peer) => {
      if (peer.ipBlock) return [];
      const pods = selectorAtoms(peer.podSelector ?? {});
      const namespaces = peer.namespaceSelector ? selectorAtoms(peer.namespaceSelector) : [undefined];
      const within = pods?.every((pod) =>
        namespaces?.every((namespace) => isCovered({ pod, namespace }, numbers, names, known)),
      );
      return within === true && namespaces !== undefined ? [] : [peerWords(peer)];
    }),
  );
}

interface Newcomers {
  readonly pod: SelectorAtom;
  /** Undefined: the policy's own namespace. */
  readonly namespace: SelectorAtom | undefined;
}

function isCovered(
  newcomers: Newcomers,
  numbers: ConnectionSet,
  names: readonly string[],
  known: readonly OpenPeers[],
): boolean {
  const open = known.filter(({ peers }) => peers === undefined || peers.some((peer) => takesIn(peer, newcomers)));
  const covered = open.map((each) => each.numbers).reduce(unionConnections, connectionSet({}));
  const named = new Set(open.flatMap((each) => each.names));
  return containsConnections(covered, numbers) && names.every((name) => named.has(name));
}

function takesIn({ podSelector = {}, namespaceSelector, ipBlock }: PolicyPeer, { pod, namespace }: Newcomers): boolean {
  if (ipBlock || !isWithin(pod, podSelector)) return false;
  if (namespace === undefined || namespaceSelector === undefined) return namespace === namespaceSelector;
  return isWithin(namespace, namespaceSelector);
}

function openPeers(policies: readonly NetworkPolicy[], direction: Direction): OpenPeers[] {
  return policies.flatMap(({ spec }) =>
    direction === 'ingress'
      ? (spec.ingress ?? []).map(({ from, ports }) => openRule(from, ports))
      : (spec.egress ?? []).map(({ to, ports }) => openRule(to, ports)),
  );
}

function openRule(peers: readonly PolicyPeer[] = [], ports: readonly PolicyPort[] = []): OpenPeers {
  const everything = ports.length === 0;
  const of = (wanted: PolicyProtocol) => {
    if (everything) return allPorts;
    const own = ports.filter(({ protocol = 'TCP' }) => protocol === wanted);
    if (own.some(({ port }) => port === undefined)) return allPorts;
    const intervals = own.flatMap(({ port, endPort = port }): [number, number][] =>
      isPort(port) && isPort(endPort) && endPort >= port ? [[port, endPort]] : [],
    );
    return intervals.length === 0 ? noPorts : portSet(intervals);
  };
  return {
    peers: peers.length === 0 ? undefined : peers,
    numbers: { TCP: of('TCP'), UDP: of('UDP'), SCTP: of('SCTP') },
    names: ports.flatMap(({ protocol = 'TCP', port }) => (typeof port === 'string' ? [`${protocol}/${port}`] : [])),
  };
}

/** `pods with app=web in namespaces with team=shop`. */
export function peerWords({ podSelector = {}, namespaceSelector }: PolicyPeer): string {
  const pods = selectorWords('pod', podSelector);
  return namespaceSelector === undefined ? pods : `${pods} in ${selectorWords('namespace', namespaceSelector)}`;
}

function selectorWords(what: string, selector: LabelSelector): string {
  const text = formatSelector(selector);
  return text === '' ? `every ${what}` : `${what}s with ${text}`;
}
