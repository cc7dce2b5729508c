import { type LabelSelector, selectorKey } from '../../model/label-selector.ts';
import type { IpBlock, NetworkPolicy, PolicyPeer, PolicyPort } from '../../model/network-policy.ts';
import type { DraftPeer, DraftPort, PolicyDraft } from '../../model/policy-draft.ts';
import {
  type CiliumEgressRule,
  type CiliumIngressRule,
  type CiliumNetworkPolicy,
  type CiliumPortRule,
  ciliumLabelPrefix,
  ciliumNamespaceLabel,
  ciliumPortsPerList,
} from './cilium-policy.ts';
import type { ReadBack, Rendering } from './dialect.ts';
import { differences } from './differences.ts';
import { namesInsteadOf } from './fqdn.ts';
import { peerBlocks } from './ip-blocks.ts';

type Direction = 'ingress' | 'egress';

/** One rule, put into the words of networking.k8s.io/v1. */
interface ReadRule {
  /** One text per peer, the same for a draft's peer of the same meaning. */
  readonly keys: readonly string[];
  readonly peers: readonly PolicyPeer[];
  readonly ports: readonly PolicyPort[];
  /** The peers are entities that mean nodes or the API server by identity, not by address. */
  readonly byIdentity: boolean;
}

/**
 * Reads a CiliumNetworkPolicy of ours back in two steps. First the document has to be, to the last field, what was
 * rendered, so that nothing unknown is in it. Then its meaning is worked out anew: each (peer, port) must be one of the
 * draft's and each of the draft's must be there. What it means is returned as NetworkPolicies for the evaluator, in
 * which an entity stands for the addresses that the draft gives it, and a DNS name for the addresses that it was seen
 * to have.
 */
export function readBackCilium(documents: readonly unknown[], { draft, objects }: Rendering): ReadBack {
  const faults = differences(objects, documents).map((path) => `not as rendered: document${path}`);
  if (faults.length > 0) return { policies: [], identityPolicies: [], faults };
  const reader = new Reader(draft);
  const policies: NetworkPolicy[] = [];
  const identityPolicies: NetworkPolicy[] = [];
  for (const { metadata, spec } of documents as readonly CiliumNetworkPolicy[]) {
    const podSelector = reader.selector(spec.endpointSelector);
    const ingress = reader.rules('ingress', spec.ingress);
    const egress = reader.rules('egress', spec.egress);
    const policy = (byIdentity: boolean): NetworkPolicy => ({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata,
      spec: {
        podSelector,
        policyTypes: ['Ingress', 'Egress'],
        ingress: ingress
          .filter((rule) => rule.byIdentity === byIdentity)
          .map(({ peers, ports }) => ({ from: peers, ports })),
        egress: egress
          .filter((rule) => rule.byIdentity === byIdentity)
          .map(({ peers, ports }) => ({ to: peers, ports })),
      },
    });
    policies.push(policy(false));
    if ([...ingress, ...egress].some(({ byIdentity }) => byIdentity)) identityPolicies.push(policy(true));
    if (selectorKey(podSelector) !== selectorKey(draft.subject)) reader.fault('endpointSelector', 'is not the subject');
    reader.compare('ingress', ingress);
    reader.compare('egress', egress);
  }
  const found = reader.faults;
  return found.length === 0
    ? { policies, identityPolicies, faults: [] }
    : { policies: [], identityPolicies: [], faults: found };
}

class Reader {
  readonly faults: string[] = [];
  /** Some rule lets Cilium see DNS queries and their answers. */
  #watchesDns = false;
  readonly #draft: PolicyDraft;

  /** What the evaluator calls the namespaces that Cilium knows by name; the proof checks that it is the same. */
  readonly #namespaceSelectors = new Map<string, LabelSelector>();

  constructor(draft: PolicyDraft) {
    this.#draft = draft;
    for (const peer of [...this.#draftPeers('ingress'), ...this.#draftPeers('egress')]) {
      if (peer.kind !== 'pods' || peer.namespaceSelector === undefined) continue;
      this.#namespaceSelectors.set(podKey(peer.podSelector, peer.namespaces), peer.namespaceSelector);
    }
  }

  fault(at: string, message: string): void {
    this.faults.push(`${at} ${message}`);
  }

  /** A selector without the prefix that marks labels of Kubernetes. */
  selector({ matchLabels = {}, matchExpressions = [] }: LabelSelector): LabelSelector {
    return {
      matchLabels: Object.fromEntries(Object.entries(matchLabels).map(([key, value]) => [this.#labelKey(key), value])),
      matchExpressions: matchExpressions.map((each) => ({ ...each, key: this.#labelKey(each.key) })),
    };
  }

  #labelKey(key: string): string {
    if (key.startsWith(ciliumLabelPrefix)) return key.slice(ciliumLabelPrefix.length);
    this.fault(key, 'has no source prefix');
    return key;
  }

  rules(direction: Direction, rules: readonly (CiliumIngressRule | CiliumEgressRule)[]): ReadRule[] {
    if (rules.length === 0) this.fault(direction, 'is empty and isolates nothing');
    return rules.flatMap((rule, i) => {
      const at = `${direction}[${i}]`;
      const { toPorts, ...members } = rule;
      const [member, ...others] = Object.entries(members);
      if (member === undefined) {
        if (rules.length > 1 || toPorts !== undefined) this.fault(at, 'names no peer');
        return [];
      }
      if (others.length > 0) this.fault(at, 'has more than one kind of peer');
      return { ...this.#peers(at, direction, rule), ports: this.#ports(at, direction, toPorts) };
    });
  }

  #peers(at: string, direction: Direction, rule: CiliumIngressRule & CiliumEgressRule): Omit<ReadRule, 'ports'> {
    const endpoints = rule.fromEndpoints ?? rule.toEndpoints;
    const blocks = rule.fromCIDRSet ?? rule.toCIDRSet;
    const entities = rule.fromEntities ?? rule.toEntities;
    const list = endpoints ?? blocks ?? entities ?? rule.toFQDNs ?? [];
    if (list.length === 0) this.fault(at, 'has an empty list of peers');
    if (endpoints) {
      const read = endpoints.map((selector) => this.#endpoint(at, selector));
      return { keys: read.map(({ key }) => key), peers: read.map(({ peer }) => peer), byIdentity: false };
    }
    if (blocks) return { keys: blocks.map(blockKey), peers: asPeers(blocks), byIdentity: false };
    if (entities) {
      const keys = entities.map((entity) => `entity ${entity}`);
      const world = entities.includes('world');
      if (world && entities.length > 1) this.fault(at, 'joins the world with other entities');
      return world
        ? { keys, peers: asPeers([{ cidr: '0.0.0.0/0' }, { cidr: '::/0' }]), byIdentity: false }
        : { keys, peers: asPeers(this.#entityBlocks(direction, keys)), byIdentity: true };
    }
    const names = new Set((rule.toFQDNs ?? []).map(({ matchName }) => matchName));
    const named = this.#draftPeers('egress').filter((peer) => peer.kind === 'cidr');
    const meant = named.filter((peer) => namesInsteadOf(peer)?.every((name) => names.has(name)));
    return {
      keys: [...names].map((name) => `name ${name}`),
      peers: asPeers(meant.flatMap((peer) => peerBlocks(peer).blocks)),
      byIdentity: false,
    };
  }

  #endpoint(at: string, selector: LabelSelector): { readonly key: string; readonly peer: PolicyPeer } {
    const { [ciliumNamespaceLabel]: only, ...matchLabels } = selector.matchLabels ?? {};
    const expressions = selector.matchExpressions ?? [];
    const several = expressions.find(({ key }) => key === ciliumNamespaceLabel);
    const namespaces = only === undefined ? (several?.operator === 'In' && several.values) || [] : [only];
    if (namespaces.length === 0 || (only !== undefined && several)) this.fault(at, 'has a peer without its namespace');
    const matchExpressions = expressions.filter((each) => each !== several);
    const podSelector = this.selector({ matchLabels, matchExpressions });
    const key = podKey(podSelector, namespaces);
    const namespaceSelector = this.#namespaceSelectors.get(key);
    return { key, peer: namespaceSelector ? { podSelector, namespaceSelector } : { podSelector } };
  }

  #entityBlocks(direction: Direction, keys: readonly string[]): IpBlock[] {
    return this.#draftPeers(direction)
      .filter((peer) => peer.kind === 'apiserver' || peer.kind === 'nodes')
      .filter((peer) =>
        alternatives(peer, direction).every((alternative) => alternative.every((key) => keys.includes(key))),
      )
      .flatMap((peer) => peerBlocks(peer).blocks);
  }

  #draftPeers(direction: Direction): DraftPeer[] {
    return this.#draft[direction].flatMap(({ peers }) => peers);
  }

  #ports(at: string, direction: Direction, toPorts: readonly CiliumPortRule[] = []): PolicyPort[] {
    if (toPorts.length === 0) this.fault(at, 'opens every port');
    return toPorts.flatMap(({ ports, rules }) => {
      if (ports.length === 0) this.fault(at, 'has an empty list of ports');
      if (ports.length > ciliumPortsPerList) this.fault(at, `has more than ${ciliumPortsPerList} ports in a list`);
      const onlyDns = ports.every(({ port, endPort }) => port === '53' && endPort === undefined);
      if (rules) this.#watchesDns = true;
      if (rules && (direction === 'ingress' || !onlyDns)) this.fault(at, 'has DNS rules on other ports than 53');
      return ports.map(({ protocol, port, endPort }) => ({
        protocol,
        port: /^\d+$/.test(port) ? Number(port) : port,
        ...(endPort !== undefined && { endPort }),
      }));
    });
  }

  /** Both ways: nothing is read that the draft does not say, and nothing that the draft says is missing. */
  compare(direction: Direction, rules: readonly ReadRule[]): void {
    const read = new Set<string>();
    for (const { keys, ports } of rules) {
      for (const port of ports.map(portKey)) for (const key of keys) read.add(`${key} on ${port}`);
    }
    if (!this.#watchesDns && rules.some(({ keys }) => keys.some((key) => key.startsWith('name ')))) {
      this.fault(direction, 'names DNS names, and no rule lets their queries be seen');
    }
    const unexplained = new Set(read);
    for (const { peers, ports } of this.#draft[direction]) {
      for (const port of ports.map(draftPortKey)) {
        for (const peer of peers) {
          const said = alternatives(peer, direction).map((keys) => keys.map((key) => `${key} on ${port}`));
          const found = said.find((keys) => keys.length > 0 && keys.every((key) => read.has(key)));
          if (!found) this.fault(direction, `misses ${said.flat().join(' or ')}`);
          for (const key of found ?? []) unexplained.delete(key);
        }
      }
    }
    for (const key of unexplained) this.fault(direction, `has ${key}, which was not drafted`);
  }
}

/** The texts that together say a draft's peer, in each of the ways in which it may be written. */
function alternatives(peer: DraftPeer, direction: Direction): string[][] {
  switch (peer.kind) {
    case 'pods':
      return [[podKey(peer.podSelector, peer.namespaces)]];
    case 'apiserver':
      return [['entity kube-apiserver']];
    case 'nodes':
      return [['entity host', 'entity remote-node']];
    case 'world':
      return [peer.except.length === 0 ? ['entity world'] : peerBlocks(peer).blocks.map(blockKey)];
    case 'cidr': {
      const names = direction === 'egress' ? namesInsteadOf(peer) : undefined;
      const blocks = peerBlocks(peer).blocks.map(blockKey);
      return names ? [names.map((name) => `name ${name}`), blocks] : [blocks];
    }
  }
}

function podKey(podSelector: LabelSelector, namespaces: readonly string[]): string {
  return `pods ${selectorKey(podSelector)} in ${[...namespaces].sort().join(', ')}`;
}

function blockKey({ cidr, except = [] }: IpBlock): string {
  return `block ${cidr}${except.length > 0 ? ` except ${[...except].sort().join(', ')}` : ''}`;
}

function portKey({ protocol = 'TCP', port, endPort }: PolicyPort): string {
  return `${protocol} ${port}${endPort === undefined ? '' : `-${endPort}`}`;
}

function draftPortKey({ protocol, port, endPort, name }: DraftPort): string {
  if (name !== undefined) return portKey({ protocol, port: name });
  return portKey(endPort === undefined ? { protocol, port } : { protocol, port, endPort });
}

function asPeers(blocks: readonly IpBlock[]): PolicyPeer[] {
  return blocks.map((block) => ({ ipBlock: block }));
}
