import type { LabelSelector } from '../../model/label-selector.ts';
import type { IpBlock } from '../../model/network-policy.ts';
import type { DraftPeer, DraftPort, DraftRule, PolicyDraft } from '../../model/policy-draft.ts';
import { type Problem, problem } from '../../model/problem.ts';
import type { CniProfile } from '../cni-profiles.ts';
import { addressNotes, ciliumCapabilities, gaps, lostAddresses } from './capabilities.ts';
import {
  type CiliumEgressRule,
  type CiliumEntity,
  type CiliumIngressRule,
  type CiliumNetworkPolicy,
  type CiliumPort,
  type CiliumPortRule,
  ciliumLabelPrefix,
  ciliumNamespaceLabel,
  ciliumPortsPerList,
} from './cilium-policy.ts';
import { readBackCilium } from './cilium-read-back.ts';
import type { Dialect, RenderedRule, Rendering } from './dialect.ts';
import { hasDnsRule, isDnsPort, namesInsteadOf } from './fqdn.ts';
import { peerBlocks } from './ip-blocks.ts';
import { managedLabels, orderedSelector } from './ordered.ts';

/** CiliumNetworkPolicy: names the API server, nodes and DNS names where networking.k8s.io/v1 has only addresses. */
export const ciliumDialect: Dialect = {
  name: 'cilium',
  capabilities: ciliumCapabilities,
  render,
  readBack: readBackCilium,
};

/** The peers of one rule, by the members of a Cilium rule, of which each rule may have only one. */
interface Members {
  readonly endpoints: { readonly peers: DraftPeer[]; readonly selectors: LabelSelector[] };
  readonly blocks: { readonly peers: DraftPeer[]; readonly blocks: IpBlock[] };
  readonly entities: { readonly peers: DraftPeer[]; readonly entities: Set<CiliumEntity> };
  /** Apart from the other entities, which mean the cluster's own machines. */
  readonly world: { readonly peers: DraftPeer[] };
  readonly names: { readonly peers: DraftPeer[]; readonly names: Set<string> };
  readonly problems: Problem[];
}

function render(draft: PolicyDraft, cni: CniProfile): Rendering {
  const inexpressible = gaps(draft, 'cilium', ciliumCapabilities, cni);
  const rules: RenderedRule[] = [];
  const usesNames = hasDnsRule(draft) && namedPeers(draft).some((peer) => namesInsteadOf(peer) !== undefined);
  const ingress: CiliumIngressRule[] = [];
  const egress: CiliumEgressRule[] = [];
  for (const rule of draft.ingress) {
    const { endpoints, blocks, world, entities, problems } = membersOf(draft, 'ingress', rule, false);
    inexpressible.push(...problems);
    const add = (member: CiliumIngressRule, peers: readonly DraftPeer[]): void => {
      if (peers.length === 0) return;
      for (const { ports, toPorts } of portParts(rule.ports, false)) {
        const rendered = { ...member, toPorts: [toPorts] };
        ingress.push(rendered);
        rules.push({ direction: 'ingress', rendered, rule: { ...rule, peers, ports } });
      }
    };
    add({ fromEndpoints: endpoints.selectors }, endpoints.peers);
    add({ fromCIDRSet: blocks.blocks }, blocks.peers);
    add({ fromEntities: ['world'] }, world.peers);
    add({ fromEntities: [...entities.entities] }, entities.peers);
  }
  for (const rule of draft.egress) {
    const isDns = rule.because === 'cluster-dns';
    // The servers that are asked for names cannot themselves be meant by name.
    const { endpoints, blocks, world, entities, names, problems } = membersOf(
      draft,
      'egress',
      rule,
      usesNames && !isDns,
    );
    inexpressible.push(...problems);
    const watchDns = usesNames && isDns;
    const add = (member: CiliumEgressRule, peers: readonly DraftPeer[]): void => {
      if (peers.length === 0) return;
      for (const { ports, toPorts } of portParts(rule.ports, watchDns)) {
        const rendered = { ...member, toPorts: [toPorts] };
        egress.push(rendered);
        rules.push({ direction: 'egress', rendered, rule: { ...rule, peers, ports } });
      }
    };
    add({ toEndpoints: endpoints.selectors }, endpoints.peers);
    add({ toCIDRSet: blocks.blocks }, blocks.peers);
    add({ toEntities: ['world'] }, world.peers);
    add({ toEntities: [...entities.entities] }, entities.peers);
    add({ toFQDNs: [...names.names].sort().map((matchName) => ({ matchName })) }, names.peers);
  }
  const policy: CiliumNetworkPolicy = {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: { name: draft.name, namespace: draft.namespace, labels: managedLabels },
    spec: {
      endpointSelector: orderedSelector(draft.subject, ciliumLabelPrefix),
      // An empty list would isolate nothing here; one empty rule isolates and allows nothing.
      ingress: ingress.length > 0 ? ingress : [{}],
      egress: egress.length > 0 ? egress : [{}],
    },
  };
  return { draft, objects: [policy], rules, inexpressible, notes: notesOn(draft, usesNames) };
}

function membersOf(draft: PolicyDraft, direction: 'ingress' | 'egress', rule: DraftRule, byName: boolean): Members {
  const members: Members = {
    endpoints: { peers: [], selectors: [] },
    blocks: { peers: [], blocks: [] },
    entities: { peers: [], entities: new Set() },
    world: { peers: [] },
    names: { peers: [], names: new Set() },
    problems: [],
  };
  const addEntities = (peer: DraftPeer, ...entities: readonly CiliumEntity[]): void => {
    members.entities.peers.push(peer);
    for (const entity of entities) members.entities.entities.add(entity);
  };
  for (const peer of rule.peers) {
    switch (peer.kind) {
      case 'pods':
        if (peer.namespaces.length === 0) {
          const message = `the namespaces of ${peer.workloads.join(', ')} are not known by name`;
          members.problems.push(problem('NotExpressible', message, `${draft.namespace}/${draft.name} ${direction}`));
          break;
        }
        members.endpoints.peers.push(peer);
        members.endpoints.selectors.push(endpointSelector(peer.podSelector, peer.namespaces));
        break;
      case 'apiserver':
        addEntities(peer, 'kube-apiserver');
        break;
      case 'nodes':
        addEntities(peer, 'host', 'remote-node');
        break;
      case 'world':
      case 'cidr': {
        const names = byName && peer.kind === 'cidr' ? namesInsteadOf(peer) : undefined;
        if (names) {
          members.names.peers.push(peer);
          for (const name of names) members.names.names.add(name);
          break;
        }
        if (peer.kind === 'world' && peer.except.length === 0) {
          members.world.peers.push(peer);
          break;
        }
        const { blocks, lost } = peerBlocks(peer);
        if (lost.length > 0) members.problems.push(lostAddresses(draft, direction, lost));
        if (blocks.length === 0) break;
        members.blocks.peers.push(peer);
        members.blocks.blocks.push(...blocks);
        break;
      }
    }
  }
  return members;
}

function endpointSelector(podSelector: LabelSelector, namespaces: readonly string[]): LabelSelector {
  const { matchLabels, matchExpressions = [] } = orderedSelector(podSelector, ciliumLabelPrefix);
  const [only, ...others] = namespaces;
  if (only !== undefined && others.length === 0) {
    return {
      matchLabels: { ...matchLabels, [ciliumNamespaceLabel]: only },
      ...(matchExpressions.length > 0 && { matchExpressions }),
    };
  }
  return {
    ...(matchLabels && { matchLabels }),
    matchExpressions: [...matchExpressions, { key: ciliumNamespaceLabel, operator: 'In', values: namespaces }],
  };
}

/** The ports of a rule in lists that Cilium accepts; with `watchDns`, port 53 is apart and goes through the DNS proxy. */
function portParts(
  ports: readonly DraftPort[],
  watchDns: boolean,
): { readonly ports: readonly DraftPort[]; readonly toPorts: CiliumPortRule }[] {
  const watched = watchDns ? ports.filter(isDnsPort) : [];
  const plain = watchDns ? ports.filter((port) => !isDnsPort(port)) : ports;
  const parts: { ports: readonly DraftPort[]; toPorts: CiliumPortRule }[] = [];
  if (watched.length > 0) {
    parts.push({
      ports: watched,
      toPorts: { ports: watched.map(ciliumPort), rules: { dns: [{ matchPattern: '*' }] } },
    });
  }
  for (let start = 0; start < plain.length; start += ciliumPortsPerList) {
    const list = plain.slice(start, start + ciliumPortsPerList);
    parts.push({ ports: list, toPorts: { ports: list.map(ciliumPort) } });
  }
  return parts;
}

function ciliumPort({ protocol, port, endPort, name }: DraftPort): CiliumPort {
  if (name !== undefined) return { port: name, protocol };
  return endPort === undefined ? { port: `${port}`, protocol } : { port: `${port}`, endPort, protocol };
}

/** Destinations for which flows carried names, but for the name servers themselves. */
function namedPeers({ egress }: PolicyDraft): Extract<DraftPeer, { readonly kind: 'cidr' }>[] {
  return egress
    .filter(({ because }) => because !== 'cluster-dns')
    .flatMap(({ peers }) => peers)
    .filter((peer) => peer.kind === 'cidr')
    .filter(({ dnsNames }) => dnsNames.length > 0);
}

function notesOn(draft: PolicyDraft, usesNames: boolean): string[] {
  const notes = addressNotes(draft, ciliumCapabilities);
  const peers = [...draft.ingress, ...draft.egress].flatMap((rule) => rule.peers);
  if (peers.some(({ kind }) => kind === 'nodes')) {
    notes.push('nodes of the cluster: written as the entities host and remote-node, which mean every node');
  }
  const names = usesNames ? namedPeers(draft).flatMap((peer) => namesInsteadOf(peer) ?? []) : [];
  if (names.length > 0) {
    notes.push(`DNS names ${[...new Set(names)].sort().join(', ')}: whatever address they resolve to is allowed`);
  }
  const unnamed = namedPeers(draft).filter((peer) => !(usesNames && namesInsteadOf(peer)));
  if (unnamed.length > 0) {
    const why = usesNames
      ? 'a block, a named network or a name that Cilium refuses cannot be written by name'
      : 'toFQDNs needs a rule for the cluster DNS on UDP 53, and the proposal has none';
    notes.push(`DNS names of ${unnamed.map(({ cidr }) => cidr).join(', ')}: written as addresses; ${why}`);
  }
  const linkLocal = draft.egress.some(
    (rule) => rule.because === 'cluster-dns' && rule.peers.some((peer) => peer.kind === 'cidr'),
  );
  if (linkLocal)
    notes.push('NodeLocal DNSCache: Cilium serves it with a local redirect policy, else it is the entity host');
  return notes;
}
