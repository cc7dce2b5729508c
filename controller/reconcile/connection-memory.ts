import { type Endpoint, type EndpointId, endpointId } from '../model/endpoint.ts';
import type { AttributedPeer } from '../model/sighting.ts';

/** An endpoint, and the number that stands for it in keys until something about it changes. */
interface Slot {
  readonly endpoint: Endpoint;
  relevant: boolean;
  number: number;
}

/** Two endpoints and a port in the 52 bits that a number keeps exactly. */
const slotLimit = 1 << 18;
const portLimit = 1 << 16;

export interface ConnectionMemoryOptions<Value> {
  /** Most values that are kept. */
  readonly limit: number;
  /** Connections with no side of which this is true are not looked at. */
  readonly isRelevant: (endpoint: Endpoint) => boolean;
  readonly make: (source: Endpoint, destination: Endpoint, protocol: number, port: number) => Value;
}

/**
 * What was found out about a connection, found again by the identity of its two sides, without making a text of it. It
 * starts anew when it is full, so that it never grows with flows.
 */
export class ConnectionMemory<Value> {
  readonly #options: ConnectionMemoryOptions<Value>;
  readonly #peers = new Map<AttributedPeer, Slot>();
  readonly #slots = new Map<EndpointId, Slot>();
  readonly #ports = new Map<number, number>();
  readonly #values = new Map<number, Value>();
  #numbers = 0;

  constructor(options: ConnectionMemoryOptions<Value>) {
    this.#options = options;
  }

  /** Values kept now. */
  get size(): number {
    return this.#values.size;
  }

  /** Undefined when neither side is relevant. */
  find(client: AttributedPeer, server: AttributedPeer, protocol: number, port: number): Value | undefined {
    const from = this.#slotOf(client);
    const to = this.#slotOf(server);
    if (!from.relevant && !to.relevant) return undefined;
    const portKey = protocol * 0x1_0000 + port;
    const portNumber = this.#ports.get(portKey);
    const key = (from.number * slotLimit + to.number) * portLimit + (portNumber ?? -1);
    const known = portNumber === undefined ? undefined : this.#values.get(key);
    return known ?? this.#make(client, server, protocol, port);
  }

  /** What was found out about connections of this endpoint does not hold any more. */
  forget(endpoint: Endpoint): void {
    const slot = this.#slots.get(endpointId(endpoint));
    if (slot === undefined) return;
    if (this.#numbers >= slotLimit) return this.clear();
    slot.relevant = this.#options.isRelevant(endpoint);
    slot.number = this.#numbers++;
  }

  /** Sides are made anew, and the old ones need not be kept; what was found out still holds. */
  forgetPeers(): void {
    this.#peers.clear();
  }

  clear(): void {
    this.#peers.clear();
    this.#slots.clear();
    this.#ports.clear();
    this.#values.clear();
    this.#numbers = 0;
  }

  #make(client: AttributedPeer, server: AttributedPeer, protocol: number, port: number): Value {
    const { limit, make } = this.#options;
    // two more endpoints may get a number below
    const full = this.#values.size >= limit || this.#ports.size >= portLimit || this.#numbers > slotLimit - 2;
    if (full) this.clear();
    const from = this.#slotOf(client);
    const to = this.#slotOf(server);
    const portKey = protocol * 0x1_0000 + port;
    let portNumber = this.#ports.get(portKey);
    if (portNumber === undefined) this.#ports.set(portKey, (portNumber = this.#ports.size));
    const value = make(from.endpoint, to.endpoint, protocol, port);
    this.#values.set((from.number * slotLimit + to.number) * portLimit + portNumber, value);
    return value;
  }

  #slotOf(peer: AttributedPeer): Slot {
    const known = this.#peers.get(peer);
    if (known !== undefined) return known;
    if (this.#peers.size >= slotLimit || this.#numbers >= slotLimit) this.clear();
    const id = endpointId(peer.endpoint);
    let slot = this.#slots.get(id);
    if (slot === undefined) {
      const { endpoint } = peer;
      slot = { endpoint, relevant: this.#options.isRelevant(endpoint), number: this.#numbers++ };
      this.#slots.set(id, slot);
    }
    this.#peers.set(peer, slot);
    return slot;
  }
}
