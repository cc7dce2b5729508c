import { DirectedGraph } from 'graphology';
import { type Connection, connectionId, type Evidence, replicaLimit } from '../model/connection.ts';
import type { ConnectionSource } from '../model/connection-source.ts';
import { type Endpoint, type EndpointId, endpointId } from '../model/endpoint.ts';
import { type FlowLoss, flowSourceKinds, type FlowVerdict } from '../model/flow.ts';
import { fnv1a } from '../model/object-name.ts';
import type { AttributedPeer, Sighting } from '../model/sighting.ts';
import type { WorkloadKey } from '../model/workload.ts';
import { column, connectionKey, doubleColumn, EvidenceTable, hash3, splitKey } from './evidence-table.ts';
import type { ConnectionDelta, EndpointDelta, GraphDelta, ObservationWindow } from './graph-delta.ts';
import { Observation } from './observation.ts';
import { RecentKeys } from './recent-keys.ts';
import { binLimit, type BinSet, binWidths, foldBin, unionBins } from './time-bins.ts';

/** DNS names kept per external endpoint: the first eight in the alphabet, whatever the order of arrival. */
const dnsNameLimit = 8;
/** Peers remembered by identity; beyond it the table starts anew, so that it never grows with flows. */
const peerLimit = 1 << 17;
const highestCount = 0xffff_ffff;
/** The finest bins are marked modulo this prime, so that neither days nor hours coincide. */
const markModulus = 127;

export interface TrafficGraphOptions {
  /** Width of the finest time bin, in whole seconds. */
  readonly binMs: number;
  /** How many of the latest connections are remembered by port and time, so that a second report counts once. */
  readonly rememberedConnections?: number;
}

export interface EndpointAttributes {
  /** As in `endpoint`; called `kind` because renderers reserve `type`. */
  readonly kind: Endpoint['kind'];
  readonly endpoint: Endpoint;
  readonly dnsNames: readonly string[];
}

/** An edge stands for all connections of one ordered pair; their evidence hangs in a chain that starts at `first`. */
export interface EdgeAttributes {
  first: number;
}

/**
 * Endpoints as nodes, an edge per ordered pair, and per connection a fixed 128 bytes of evidence, however many flows
 * there are. The same sightings give the same graph in any order, except that the count of a connection that is
 * reported twice with more than `rememberedConnections` others in between is counted twice.
 */
export class TrafficGraph implements ConnectionSource {
  readonly binMs: number;
  readonly graph = new DirectedGraph<EndpointAttributes, EdgeAttributes>();
  readonly #widths: readonly number[];
  readonly #table = new EvidenceTable();
  readonly #endpoints: { readonly id: EndpointId; readonly endpoint: Endpoint }[] = [];
  readonly #positions = new Map<EndpointId, number>();
  readonly #peers = new Map<AttributedPeer, number>();
  readonly #recent: RecentKeys;
  readonly #observation: Observation;

  constructor({ binMs, rememberedConnections = 1 << 18 }: TrafficGraphOptions) {
    this.binMs = binMs;
    this.#widths = binWidths(binMs);
    this.#recent = new RecentKeys(rememberedConnections);
    this.#observation = new Observation(this.#widths);
  }

  /** Number of distinct connections. */
  get size(): number {
    return this.#table.rows;
  }

  /** Counts one flow; `node` is the one that reported it, where the source says. */
  observe(sighting: Sighting, node = ''): void {
    const { client, server, port, protocol, directed, source, clientPort } = sighting;
    const timeMs = this.#validTime(sighting.timeMs);
    const endMs = Math.max(timeMs, this.#validTime(sighting.endMs));
    const bin = Math.floor(timeMs / this.binMs);
    this.#observation.flow(source, node, timeMs, endMs, bin);

    const from = this.#peerPosition(client);
    const to = this.#peerPosition(server);
    const row = this.#row(from, to, connectionKey(protocol, port, directed));
    const verdict = verdictColumn(sighting.verdict);
    let count = sighting.connections;
    let bytes = sighting.bytes;
    if (clientPort !== 0) {
      const who = client.replica || (sighting.clientIp === undefined ? 0 : fnv1a(sighting.clientIp));
      const high = hash3(row, who, (clientPort << 4) | verdict);
      const low = hash3(server.replica, bin, high ^ who);
      if (!this.#recent.add(high, low)) count = 0;
      if (bytes > 0 && !this.#recent.add(low, high)) bytes = 0;
    }
    if (count > 0) this.#addCount(row, verdict, count);
    if (bytes > 0) this.#addBytes(row, bytes);
    this.#addSpan(row, timeMs, endMs);
    this.#addBin(row, bin);
    if (client.replica !== 0) this.#addReplica(row, column.clientReplicas, client.replica);
    if (server.replica !== 0) this.#addReplica(row, column.serverReplicas, server.replica);
    const answered = sighting.answered === undefined ? 0 : sighting.answered ? 2 : 1;
    this.#addMeta(row, answered, 1 << flowSourceKinds.indexOf(source));
    if (sighting.serverDnsNames !== undefined) this.#addDnsNames(to, sighting.serverDnsNames);
  }

  /** Counts what a source says that it lost. */
  loss(loss: FlowLoss): void {
    this.#observation.loss(loss);
  }

  /** Adds evidence from elsewhere; in any order and grouping the result is the same. Bins must be as wide as ours. */
  merge(delta: GraphDelta): void {
    if (delta.binMs !== this.binMs) {
      throw new RangeError(`evidence in bins of ${delta.binMs} ms cannot be added to a graph of ${this.binMs} ms`);
    }
    this.#observation.merge(delta.flows, delta.losses);
    const positions = delta.endpoints.map(({ endpoint, dnsNames }) => {
      const position = this.#position(endpoint);
      this.#addDnsNames(position, dnsNames);
      return position;
    });
    for (const connection of delta.connections) this.#mergeConnection(connection, positions);
  }

  snapshot(): GraphDelta {
    const { order, rank } = this.#canonicalOrder();
    const endpoints: EndpointDelta[] = order.map((position) => {
      const { id, endpoint } = this.#endpointAt(position);
      return { endpoint, dnsNames: this.graph.getNodeAttribute(id, 'dnsNames') };
    });
    const connections: ConnectionDelta[] = [];
    for (const row of this.#canonicalRows(rank)) {
      const { allowed, denied, audited, bytes, firstMs, lastMs, binMs, bins, sources, answered } = this.#evidence(row);
      connections.push({
        source: rank[this.#table.word(row, column.source)] ?? 0,
        destination: rank[this.#table.word(row, column.destination)] ?? 0,
        ...splitKey(this.#table.word(row, column.key)),
        allowed,
        denied,
        audited,
        bytes,
        firstMs,
        lastMs,
        binMs,
        bins,
        marks: [0, 1, 2, 3].map((i) => this.#table.word(row, column.marks + i)),
        clientReplicas: this.#replicas(row, column.clientReplicas),
        serverReplicas: this.#replicas(row, column.serverReplicas),
        sources,
        answered,
      });
    }
    const { flows, losses } = this.observation();
    return { version: 1, binMs: this.binMs, endpoints, connections, flows, losses };
  }

  *connections(): Iterable<Connection> {
    for (const row of this.#canonicalRows(this.#canonicalOrder().rank)) yield this.#connection(row);
  }

  connectionsOf(workload: WorkloadKey): readonly Connection[] {
    const id = endpointId({ kind: 'workload', workload });
    if (!this.graph.hasNode(id)) return [];
    const found: Connection[] = [];
    this.graph.forEachEdge(id, (_edge, { first }) => {
      for (const row of this.#chain(first)) found.push(this.#connection(row));
    });
    return found.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  }

  /** The connections of one edge, by protocol, port, directed first. */
  connectionsOfPair(source: EndpointId, destination: EndpointId): readonly Connection[] {
    const edge = this.graph.hasNode(source) && this.graph.hasNode(destination) && this.graph.edge(source, destination);
    if (!edge) return [];
    const rows = [...this.#chain(this.graph.getEdgeAttribute(edge, 'first'))];
    const key = (row: number) => sortableKey(this.#table.word(row, column.key));
    return rows.sort((a, b) => key(a) - key(b)).map((row) => this.#connection(row));
  }

  /** All endpoints, ascending by id. */
  endpoints(): readonly Endpoint[] {
    return this.#canonicalOrder().order.map((position) => this.#endpointAt(position).endpoint);
  }

  dnsNamesOf(endpoint: Endpoint): readonly string[] {
    const id = endpointId(endpoint);
    return this.graph.hasNode(id) ? this.graph.getNodeAttribute(id, 'dnsNames') : [];
  }

  observation(): ObservationWindow {
    const flows = this.#observation.flows();
    const span =
      flows.length === 0
        ? undefined
        : {
            firstMs: flows.reduce((least, { firstMs }) => Math.min(least, firstMs), Number.POSITIVE_INFINITY),
            lastMs: flows.reduce((most, { lastMs }) => Math.max(most, lastMs), 0),
          };
    return { binMs: this.binMs, span, flows, losses: this.#observation.losses() };
  }

  /** Bins are stored in 32 bits; times outside of them (before 1970, or broken) are put at the edge. */
  #validTime(timeMs: number): number {
    return Math.max(0, Math.min(Math.floor(timeMs) || 0, this.binMs * 2 ** 32 - 1));
  }

  #peerPosition(peer: AttributedPeer): number {
    const known = this.#peers.get(peer);
    if (known !== undefined) return known;
    if (this.#peers.size >= peerLimit) this.#peers.clear();
    const position = this.#position(peer.endpoint);
    this.#peers.set(peer, position);
    return position;
  }

  #position(endpoint: Endpoint): number {
    const id = endpointId(endpoint);
    const known = this.#positions.get(id);
    if (known !== undefined) return known;
    const position = this.#endpoints.length;
    this.#endpoints.push({ id, endpoint });
    this.#positions.set(id, position);
    this.graph.addNode(id, { kind: endpoint.kind, endpoint, dnsNames: [] });
    return position;
  }

  #endpointAt(position: number): { readonly id: EndpointId; readonly endpoint: Endpoint } {
    const found = this.#endpoints[position];
    if (found === undefined) throw new RangeError(`no endpoint at position ${position}`);
    return found;
  }

  #row(from: number, to: number, key: number): number {
    const known = this.#table.find(from, to, key);
    if (known >= 0) return known;
    const row = this.#table.append(from, to, key);
    this.#table.setDouble(row, doubleColumn.firstMs, Number.POSITIVE_INFINITY);
    const source = this.#endpointAt(from).id;
    const target = this.#endpointAt(to).id;
    const edge = this.graph.edge(source, target);
    if (edge === undefined) {
      // A short key of our own and an attribute object of one field: graphology's own cost half as much memory again.
      const added = this.graph.addDirectedEdgeWithKey(row.toString(36), source, target);
      this.graph.replaceEdgeAttributes(added, { first: row });
    } else {
      this.#table.setWord(row, column.next, this.graph.getEdgeAttribute(edge, 'first') + 1);
      this.graph.setEdgeAttribute(edge, 'first', row);
    }
    return row;
  }

  *#chain(first: number): Iterable<number> {
    for (let row = first; row >= 0; row = this.#table.word(row, column.next) - 1) yield row;
  }

  #mergeConnection(delta: ConnectionDelta, positions: readonly number[]): void {
    const from = positions[delta.source];
    const to = positions[delta.destination];
    if (from === undefined || to === undefined) throw new RangeError('a connection of the delta has no such endpoint');
    const row = this.#row(from, to, connectionKey(delta.protocol, delta.port, delta.directed));
    this.#addCount(row, column.allowed, delta.allowed);
    this.#addCount(row, column.denied, delta.denied);
    this.#addCount(row, column.audited, delta.audited);
    this.#addBytes(row, delta.bytes);
    this.#addSpan(row, delta.firstMs, delta.lastMs);
    const level = this.#widths.indexOf(delta.binMs);
    if (level < 0) throw new RangeError(`a connection of the delta has bins of ${delta.binMs} ms`);
    this.#addBins(row, { level, bins: delta.bins.map((start) => start / delta.binMs) });
    delta.marks.forEach((mark, i) => this.#orWord(row, column.marks + i, mark));
    for (const replica of delta.clientReplicas) this.#addReplica(row, column.clientReplicas, replica);
    for (const replica of delta.serverReplicas) this.#addReplica(row, column.serverReplicas, replica);
    const sources = delta.sources.reduce((bits, source) => bits | (1 << flowSourceKinds.indexOf(source)), 0);
    this.#addMeta(row, answeredWords.indexOf(delta.answered), sources);
  }

  #addCount(row: number, field: number, count: number): void {
    this.#table.setWord(row, field, Math.min(this.#table.word(row, field) + count, highestCount));
  }

  #addBytes(row: number, bytes: number): void {
    const sum = this.#table.double(row, doubleColumn.bytes) + Math.floor(bytes);
    this.#table.setDouble(row, doubleColumn.bytes, Math.min(sum, Number.MAX_SAFE_INTEGER));
  }

  #addSpan(row: number, firstMs: number, lastMs: number): void {
    if (firstMs < this.#table.double(row, doubleColumn.firstMs)) {
      this.#table.setDouble(row, doubleColumn.firstMs, firstMs);
    }
    if (lastMs > this.#table.double(row, doubleColumn.lastMs)) this.#table.setDouble(row, doubleColumn.lastMs, lastMs);
  }

  #addBin(row: number, bin: number): void {
    const mark = bin % markModulus;
    this.#orWord(row, column.marks + (mark >>> 5), 1 << (mark & 31));
    const meta = this.#table.word(row, column.meta);
    const count = binCount(meta);
    const folded = foldBin(this.#widths, 0, binLevel(meta), bin);
    for (let i = count - 1; i >= 0; i--) if (this.#table.word(row, column.bins + i) === folded) return;
    this.#addBins(row, { level: 0, bins: [bin] });
  }

  #addBins(row: number, added: BinSet): void {
    const { level, bins } = unionBins(this.#widths, this.#bins(row), added);
    bins.forEach((bin, i) => this.#table.setWord(row, column.bins + i, bin));
    const meta = this.#table.word(row, column.meta);
    this.#table.setWord(row, column.meta, packMeta(level, bins.length, answeredOf(meta), sourceBits(meta)));
  }

  #bins(row: number): BinSet {
    const meta = this.#table.word(row, column.meta);
    const bins = Array.from({ length: binCount(meta) }, (_, i) => this.#table.word(row, column.bins + i));
    return { level: binLevel(meta), bins };
  }

  #addMeta(row: number, answered: number, sources: number): void {
    const meta = this.#table.word(row, column.meta);
    const most = Math.max(answeredOf(meta), answered);
    const bits = sourceBits(meta) | sources;
    this.#table.setWord(row, column.meta, packMeta(binLevel(meta), binCount(meta), most, bits));
  }

  /** Keeps the smallest distinct hashes, ascending: which ones they are does not depend on the order of arrival. */
  #addReplica(row: number, field: number, replica: number): void {
    let candidate = replica >>> 0;
    for (let i = 0; i < replicaLimit; i++) {
      const kept = this.#table.word(row, field + i);
      if (kept === candidate) return;
      if (kept !== 0 && kept < candidate) continue;
      this.#table.setWord(row, field + i, candidate);
      if (kept === 0) return;
      candidate = kept;
    }
  }

  #replicas(row: number, field: number): number[] {
    const hashes = Array.from({ length: replicaLimit }, (_, i) => this.#table.word(row, field + i));
    return hashes.filter((hash) => hash !== 0);
  }

  #orWord(row: number, field: number, bits: number): void {
    this.#table.setWord(row, field, this.#table.word(row, field) | bits);
  }

  #addDnsNames(position: number, names: readonly string[]): void {
    const { id, endpoint } = this.#endpointAt(position);
    if (endpoint.kind !== 'external') return;
    const known = this.graph.getNodeAttribute(id, 'dnsNames');
    if (names.every((name) => known.includes(name))) return;
    const merged = [...new Set([...known, ...names])].sort().slice(0, dnsNameLimit);
    this.graph.setNodeAttribute(id, 'dnsNames', merged);
  }

  #connection(row: number): Connection {
    const { protocol, port, directed } = splitKey(this.#table.word(row, column.key));
    const source = this.#endpointAt(this.#table.word(row, column.source)).endpoint;
    const destination = this.#endpointAt(this.#table.word(row, column.destination)).endpoint;
    const id = connectionId(source, destination, protocol, port, directed);
    return { id, source, destination, protocol, port, directed, evidence: this.#evidence(row) };
  }

  #evidence(row: number): Evidence {
    const meta = this.#table.word(row, column.meta);
    const { level, bins } = this.#bins(row);
    const binMs = this.#widths[level] ?? this.binMs;
    return {
      allowed: this.#table.word(row, column.allowed),
      denied: this.#table.word(row, column.denied),
      audited: this.#table.word(row, column.audited),
      bytes: this.#table.double(row, doubleColumn.bytes),
      firstMs: this.#table.double(row, doubleColumn.firstMs),
      lastMs: this.#table.double(row, doubleColumn.lastMs),
      bins: bins.map((bin) => bin * binMs),
      binMs,
      incidences: level === 0 ? bins.length : Math.max(binLimit + 1, this.#markCount(row)),
      clientReplicas: this.#replicas(row, column.clientReplicas).length,
      serverReplicas: this.#replicas(row, column.serverReplicas).length,
      sources: flowSourceKinds.filter((_, i) => (sourceBits(meta) & (1 << i)) !== 0),
      answered: answeredWords[answeredOf(meta)] ?? 'unknown',
    };
  }

  /** Distinct residues of finest bins: never more than there were bins, close to it up to `markModulus`. */
  #markCount(row: number): number {
    let count = 0;
    for (let i = 0; i < 4; i++) {
      for (let bits = this.#table.word(row, column.marks + i); bits !== 0; bits &= bits - 1) count++;
    }
    return count;
  }

  /** Positions of the endpoints ascending by id, and the rank of each position. */
  #canonicalOrder(): { readonly order: readonly number[]; readonly rank: Uint32Array } {
    const order = this.#endpoints.map((_, position) => position);
    const id = (position: number) => this.#endpointAt(position).id;
    order.sort((a, b) => (id(a) < id(b) ? -1 : 1));
    const rank = new Uint32Array(order.length);
    order.forEach((position, i) => {
      rank[position] = i;
    });
    return { order, rank };
  }

  #canonicalRows(rank: Uint32Array): Uint32Array {
    const ranked = (row: number, field: number) => rank[this.#table.word(row, field)] ?? 0;
    const key = (row: number) => sortableKey(this.#table.word(row, column.key));
    return Uint32Array.from({ length: this.#table.rows }, (_, row) => row).sort(
      (a, b) =>
        ranked(a, column.source) - ranked(b, column.source) ||
        ranked(a, column.destination) - ranked(b, column.destination) ||
        key(a) - key(b),
    );
  }
}

const answeredWords = ['unknown', 'no', 'yes'] as const;

function verdictColumn(verdict: FlowVerdict): number {
  switch (verdict) {
    case 'allowed':
    case 'none':
      return column.allowed;
    case 'denied':
      return column.denied;
    case 'audited':
      return column.audited;
  }
}

/** Protocol, port, directed before undirected. */
function sortableKey(key: number): number {
  const { protocol, port, directed } = splitKey(key);
  return protocol * 2 ** 17 + port * 2 + (directed ? 0 : 1);
}

function packMeta(level: number, count: number, answered: number, sources: number): number {
  return (level | (count << 8) | (answered << 12) | (sources << 16)) >>> 0;
}

function binLevel(meta: number): number {
  return meta & 0xff;
}

function binCount(meta: number): number {
  return (meta >>> 8) & 0xf;
}

function answeredOf(meta: number): number {
  return (meta >>> 12) & 3;
}

function sourceBits(meta: number): number {
  return meta >>> 16;
}
