import type { DirectedGraph } from 'graphology';
import { type Endpoint, type EndpointId, endpointId } from '../model/endpoint.ts';
import { fnv1a } from '../model/object-name.ts';
import type { AttributedPeer } from '../model/sighting.ts';

/** DNS names kept per external endpoint: the first eight in the alphabet, whatever the order of arrival. */
const dnsNameLimit = 8;
/** Peers remembered by identity; beyond it the table starts anew, so that it never grows with flows. */
const peerLimit = 1 << 17;

export interface EndpointAttributes {
  /** As in `endpoint`; called `kind` because renderers reserve `type`. */
  readonly kind: Endpoint['kind'];
  readonly endpoint: Endpoint;
  readonly dnsNames: readonly string[];
}

interface KnownEndpoint {
  readonly id: EndpointId;
  readonly endpoint: Endpoint;
  /** Tells it from others in every process. */
  readonly hash: number;
}

/** Positions of endpoints ascending by id, and the rank of each position. */
export interface CanonicalOrder {
  readonly order: readonly number[];
  readonly rank: Uint32Array;
}

/** The endpoints of a graph by position, from 0 in the order in which they came: a position stays as it is. */
export class KnownEndpoints {
  /** Has each of them as a node, by `endpointId`. */
  readonly #graph: DirectedGraph<EndpointAttributes, Readonly<Record<string, never>>>;
  readonly #endpoints: KnownEndpoint[] = [];
  readonly #positions = new Map<EndpointId, number>();
  readonly #peers = new Map<AttributedPeer, number>();
  readonly #changed = new Set<number>();

  constructor(graph: DirectedGraph<EndpointAttributes, Readonly<Record<string, never>>>) {
    this.#graph = graph;
  }

  get size(): number {
    return this.#endpoints.length;
  }

  /** Throws RangeError where there is none. */
  at(position: number): KnownEndpoint {
    const found = this.#endpoints[position];
    if (found === undefined) throw new RangeError(`no endpoint at position ${position}`);
    return found;
  }

  /** Adds it where it is new. */
  position(endpoint: Endpoint): number {
    const id = endpointId(endpoint);
    const known = this.#positions.get(id);
    if (known !== undefined) return known;
    const position = this.#endpoints.length;
    this.#endpoints.push({ id, endpoint, hash: fnv1a(id) });
    this.#positions.set(id, position);
    this.#changed.add(position);
    this.#graph.addNode(id, { kind: endpoint.kind, endpoint, dnsNames: [] });
    return position;
  }

  /** Of the peer's endpoint, without making its id again for a peer that was met before. */
  peerPosition(peer: AttributedPeer): number {
    const known = this.#peers.get(peer);
    if (known !== undefined) return known;
    if (this.#peers.size >= peerLimit) this.#peers.clear();
    const position = this.position(peer.endpoint);
    this.#peers.set(peer, position);
    return position;
  }

  addDnsNames(position: number, names: readonly string[]): void {
    const { id, endpoint } = this.at(position);
    if (endpoint.kind !== 'external') return;
    const known = this.#graph.getNodeAttribute(id, 'dnsNames');
    if (names.every((name) => known.includes(name))) return;
    const merged = [...new Set([...known, ...names])].sort().slice(0, dnsNameLimit);
    this.#graph.setNodeAttribute(id, 'dnsNames', merged);
    this.#changed.add(position);
  }

  dnsNamesOf(endpoint: Endpoint): readonly string[] {
    const id = endpointId(endpoint);
    return this.#graph.hasNode(id) ? this.#graph.getNodeAttribute(id, 'dnsNames') : [];
  }

  /** Positions of those that are new, or have new names, since this was asked last. */
  takeChanged(): Set<number> {
    const changed = new Set(this.#changed);
    this.#changed.clear();
    return changed;
  }

  canonicalOrder(positions: readonly number[] = this.#endpoints.map((_, position) => position)): CanonicalOrder {
    const id = (position: number) => this.at(position).id;
    const order = positions.toSorted((a, b) => (id(a) < id(b) ? -1 : 1));
    const rank = new Uint32Array(this.#endpoints.length);
    order.forEach((position, i) => {
      rank[position] = i;
    });
    return { order, rank };
  }
}
