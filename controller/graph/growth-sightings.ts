import { type Endpoint, type EndpointId, endpointId } from '../model/endpoint.ts';
import type { AttributedPeer, Sighting } from '../model/sighting.ts';
import type { Growth } from './growth.ts';

/** Peers remembered; beyond it the table starts anew. */
const peerLimit = 1 << 17;

/** Makes sightings again of what graphs gained, for whoever judges flows as they come: of no pod in particular. */
export class GrowthSightings {
  /** The same endpoint is the same object each time, as whoever takes sightings expects. */
  readonly #peers = new Map<EndpointId, AttributedPeer>();

  *of({ delta, sightings }: Growth): Generator<Sighting> {
    const peers = delta.endpoints.map(({ endpoint }) => this.#peerOf(endpoint));
    for (const { connection, verdict, answered, timeMs, connections } of sightings) {
      const seen = delta.connections[connection];
      if (seen === undefined) throw new RangeError('a sighting without its connection in a growth');
      const [client, server] = [peers[seen.source], peers[seen.destination]];
      if (client === undefined || server === undefined) throw new RangeError('a connection without its endpoint');
      yield {
        timeMs,
        endMs: timeMs,
        client,
        server,
        clientIp: undefined,
        serverDnsNames: undefined,
        clientPort: 0,
        port: seen.port,
        protocol: seen.protocol,
        directed: seen.directed,
        verdict,
        answered,
        connections,
        bytes: 0,
        source: seen.sources[0] ?? 'nanoseg',
      };
    }
  }

  #peerOf(endpoint: Endpoint): AttributedPeer {
    const id = endpointId(endpoint);
    const known = this.#peers.get(id);
    if (known !== undefined) return known;
    if (this.#peers.size >= peerLimit) this.#peers.clear();
    const peer = { endpoint, replica: 0 };
    this.#peers.set(id, peer);
    return peer;
  }
}
