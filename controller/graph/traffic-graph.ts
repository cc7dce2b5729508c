import { DirectedGraph } from 'graphology';
import { type Connection, connectionId } from '../model/connection.ts';
import type { ConnectionSource } from '../model/connection-source.ts';
import { type Endpoint, endpointId } from '../model/endpoint.ts';
import type { FlowLoss, ObservedTime } from '../model/flow.ts';
import { fnv1a } from '../model/object-name.ts';
import type { Sighting } from '../model/sighting.ts';
import type { WorkloadKey } from '../model/workload.ts';
import type { ChangedRows } from './changed-rows.ts';
import { EvidenceStore } from './evidence-store.ts';
import { column, connectionKey, doubleColumn, mix, sortableKey, splitKey } from './evidence-table.ts';
import type { ConnectionDelta, EndpointDelta, GraphChanges, GraphDelta, ObservationWindow } from './graph-delta.ts';
import { GrowthRecorder } from './growth-recorder.ts';
import { type CanonicalOrder, type EndpointAttributes, KnownEndpoints } from './known-endpoints.ts';
import { Observation } from './observation.ts';
import type { RecentKeyChunk } from './recent-keys.ts';
import { binWidths } from './time-bins.ts';

/** All edges share it: an object for each would cost 32 bytes, and the edge's key leads to the evidence anyway. */
const noAttributes: Readonly<Record<string, never>> = Object.freeze({});
const keyRadix = 36;

/** Replies that nobody could tell from requests would make a connection of every ephemeral port: those fold to none. */
const ephemeralPort = 32_768;

export interface TrafficGraphOptions {
  /** Width of the finest time bin, in whole seconds. */
  readonly binMs: number;
  /** How many of the latest connections are remembered by port and time, so that a second report counts once. */
  readonly rememberedConnections?: number;
  /** Whether `takeChanges` tells of what is remembered too, for a graph that outlives the process. @default false */
  readonly saved?: boolean;
  /** Whether `takeChanges` tells what was added too, for those who follow this graph. @default false */
  readonly grown?: boolean;
}

/** One connection in numbers; `from` and `to` are those of its endpoints. */
export interface ConnectionSummary {
  readonly from: number;
  readonly to: number;
  readonly protocol: number;
  readonly port: number;
  readonly directed: boolean;
  readonly allowed: number;
  readonly denied: number;
  readonly audited: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

/**
 * Endpoints as nodes (by `endpointId`), an edge per ordered pair, and 120 bytes of evidence per connection, however many
 * flows there are. The same sightings give the same graph in any order, but for the number of connections: one that is
 * reported twice with more than `rememberedConnections` others in between is counted twice, and so are sums of both sides'
 * nodes until it is known that both report.
 */
export class TrafficGraph implements ConnectionSource {
  readonly binMs: number;
  /** For graph algorithms: read it, never write to it. `connectionsOfEdge` has what an edge stands for. */
  readonly graph = new DirectedGraph<EndpointAttributes, Readonly<Record<string, never>>>();
  readonly #store: EvidenceStore;
  readonly #observation: Observation;
  readonly #growth: GrowthRecorder | undefined;
  readonly #endpoints = new KnownEndpoints(this.graph);
  #revision = 0;
  /** Rows in canonical order; in force while there are no more rows than these. */
  #sortedRows = new Uint32Array(0);

  constructor({ binMs, rememberedConnections = 1 << 18, saved = false, grown = false }: TrafficGraphOptions) {
    this.binMs = binMs;
    this.#store = new EvidenceStore(binMs, rememberedConnections, saved);
    this.#observation = new Observation(binWidths(binMs));
    this.#growth = grown ? new GrowthRecorder(this.#store.table) : undefined;
  }

  /** Another number whenever anything was counted since. */
  get revision(): number {
    return this.#revision;
  }

  /** Number of distinct connections. */
  get size(): number {
    return this.#store.table.rows;
  }

  /** Counts one flow; `node` is the one that reported it, empty where the source does not say. */
  observe(sighting: Sighting, node = ''): void {
    this.#revision++;
    const timeMs = this.#validTime(sighting.timeMs);
    const endMs = Math.max(timeMs, this.#validTime(sighting.endMs));
    const bin = Math.floor(timeMs / this.binMs);
    this.#observation.flow(sighting.source, node, timeMs, endMs, bin);

    const { client, server, protocol, directed, clientIp, serverDnsNames } = sighting;
    const port = directed || sighting.port < ephemeralPort ? sighting.port : 0;
    const from = this.#endpoints.peerPosition(client);
    const to = this.#endpoints.peerPosition(server);
    const row = this.#row(from, to, protocol, port, directed);
    const who = client.replica === 0 && clientIp !== undefined ? fnv1a(clientIp) : client.replica;
    const identity = mix(
      this.#endpoints.at(from).hash,
      this.#endpoints.at(to).hash,
      connectionKey(protocol, port, directed),
    );
    const isCounted = !this.#isCounted(row) || !this.#isSecondReport(sighting, node, bin);
    this.#store.addSighting(row, sighting, isCounted, identity, who, timeMs, endMs, bin);
    this.#growth?.observe(row, sighting, timeMs);
    if (serverDnsNames !== undefined) this.#endpoints.addDnsNames(to, serverDnsNames);
  }

  /**
   * Whether this is what the server's node saw of connections that the client's node counts. Sums have no port of the client
   * that would tell connections apart, so that they are taken from one side: the client's, where that is heard of.
   */
  #isSecondReport({ source, clientPort, client }: Sighting, node: string, bin: number): boolean {
    if (source !== 'conntrack' || clientPort !== 0 || node === '') return false;
    const clientNode = client.endpoint.kind === 'node' ? client.endpoint.name : client.node;
    if (clientNode === undefined || clientNode === '' || clientNode === node) return false;
    return this.#observation.isHeardOf(source, clientNode, bin);
  }

  /** A connection that has no counts yet would be no evidence at all, whoever reports it. */
  #isCounted(row: number): boolean {
    return this.#store.table.word(row, column.allowed) > 0;
  }

  /** Counts what a source says that it lost. */
  loss(loss: FlowLoss): void {
    this.#revision++;
    this.#observation.loss(loss);
  }

  /** Counts that a node was observed: it makes no connection, and the window no longer. */
  observed({ source, node, fromMs, toMs }: ObservedTime): void {
    this.#revision++;
    const validMs = this.#validTime(fromMs);
    this.#observation.observed(source, node, validMs, Math.max(validMs, this.#validTime(toMs)));
  }

  /** Adds evidence from elsewhere, in any order and grouping. Throws RangeError when its bins are of another width. */
  merge(delta: GraphDelta): void {
    if (delta.binMs !== this.binMs) {
      throw new RangeError(`evidence in bins of ${delta.binMs} ms cannot be added to a graph of ${this.binMs} ms`);
    }
    this.#revision++;
    this.#observation.merge(delta.flows, delta.losses);
    const positions = delta.endpoints.map(({ endpoint, dnsNames }) => {
      const position = this.#endpoints.position(endpoint);
      this.#endpoints.addDnsNames(position, dnsNames);
      return position;
    });
    for (const connection of delta.connections) {
      const from = positions[connection.source];
      const to = positions[connection.destination];
      if (from === undefined || to === undefined) throw new RangeError('a connection without its endpoint in a delta');
      const row = this.#row(from, to, connection.protocol, connection.port, connection.directed);
      this.#store.merge(row, connection);
    }
  }

  /** Its number stays as it is as long as the process lives: from 0 to below `size`. */
  connectionAt(row: number): Connection {
    return this.#connection(row);
  }

  /** Of the connection of that number what a reader of all of them needs, without an object for its evidence. */
  summaryAt(row: number): ConnectionSummary {
    const { table } = this.#store;
    const { protocol, port, directed } = splitKey(table.word(row, column.key));
    return {
      from: table.word(row, column.source),
      to: table.word(row, column.destination),
      protocol,
      port,
      directed,
      allowed: table.word(row, column.allowed),
      denied: table.word(row, column.denied),
      audited: table.word(row, column.audited),
      firstMs: table.double(row, doubleColumn.firstMs),
      lastMs: table.double(row, doubleColumn.lastMs),
    };
  }

  /** Only the numbers of its endpoints. */
  endsAt(row: number): { readonly from: number; readonly to: number } {
    const { table } = this.#store;
    return { from: table.word(row, column.source), to: table.word(row, column.destination) };
  }

  /** The endpoint of that number; numbers stay as they are, and are below `endpointCount`. */
  endpointAt(position: number): Endpoint {
    return this.#endpoints.at(position).endpoint;
  }

  get endpointCount(): number {
    return this.#endpoints.size;
  }

  /** Marks the numbers of connections that change from now on, for one more reader that takes them at its own pace. */
  follow(): ChangedRows {
    return this.#store.follow();
  }

  snapshot(): GraphDelta {
    const { flows, losses } = this.observation();
    return { ...this.#delta(this.#endpoints.canonicalOrder(), this.#canonicalRows()), flows, losses };
  }

  /** How many connections changed since the changes were last taken. */
  get changedConnections(): number {
    return this.#store.changed.size;
  }

  /** What changed since this was asked last, and where it is asked for, what was added. */
  takeChanges(): GraphChanges {
    const { table } = this.#store;
    const rows = this.#store.changed.take();
    const touched = this.#endpoints.takeChanged();
    for (const row of rows) touched.add(table.word(row, column.source)).add(table.word(row, column.destination));
    const order = this.#endpoints.canonicalOrder([...touched]);
    const sorted = this.#inOrder(rows, order.rank);
    const { flows, losses, gained } = this.#observation.takeChanged();
    const delta = { ...this.#delta(order, sorted), flows, losses };
    const growth = this.#growth?.take({ ...delta, ...gained }, sorted);
    return { delta, recent: this.#store.takeRemembered(), growth };
  }

  /** All there is, as if all of it had changed since `takeChanges` was asked last; who follows has to begin anew. */
  takeEverything(): GraphChanges {
    this.#beginChanges();
    return { delta: this.snapshot(), recent: this.#store.takeAllRemembered(), growth: undefined };
  }

  /**
   * Fills a new graph with everything that was taken from another one, or merged from it; none of it counts as changed.
   * Throws RangeError when the graph is not new, or the bins are of another width.
   */
  restore(parts: Iterable<GraphDelta>, recent: readonly RecentKeyChunk[]): void {
    if (this.#endpoints.size > 0) throw new RangeError('evidence can only be restored into a new graph');
    for (const part of parts) this.merge(part);
    this.#store.remember(recent);
    this.#beginChanges();
  }

  #beginChanges(): void {
    this.#store.changed.clear();
    this.#endpoints.takeChanged();
    this.#observation.takeChanged();
    this.#growth?.begin();
  }

  *connections(): Iterable<Connection> {
    for (const row of this.#canonicalRows()) yield this.#connection(row);
  }

  connectionsOf(workload: WorkloadKey): readonly Connection[] {
    const id = endpointId({ kind: 'workload', workload });
    if (!this.graph.hasNode(id)) return [];
    const found = this.graph.edges(id).flatMap((edge) => this.connectionsOfEdge(edge));
    return found.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  }

  /** What an edge of `graph` stands for, by protocol, port, directed first. */
  connectionsOfEdge(edge: string): Connection[] {
    const rows: number[] = [];
    const { table } = this.#store;
    for (let row = Number.parseInt(edge, keyRadix); row >= 0; row = table.word(row, column.next) - 1) rows.push(row);
    const key = (row: number) => sortableKey(table.word(row, column.key));
    return rows.sort((a, b) => key(a) - key(b)).map((row) => this.#connection(row));
  }

  /** All endpoints, ascending by id. */
  endpoints(): readonly Endpoint[] {
    return this.#endpoints.canonicalOrder().order.map((position) => this.#endpoints.at(position).endpoint);
  }

  dnsNamesOf(endpoint: Endpoint): readonly string[] {
    return this.#endpoints.dnsNamesOf(endpoint);
  }

  observation(): ObservationWindow {
    const flows = this.#observation.flows();
    const losses = this.#observation.losses();
    return { binMs: this.binMs, span: this.#store.span, flows, losses };
  }

  /** Bins are stored in 32 bits; a time outside of them (before 1970, or no number) is put at the edge. */
  #validTime(timeMs: number): number {
    return Math.max(0, Math.min(Math.floor(timeMs) || 0, this.binMs * 2 ** 32 - 1));
  }

  #row(from: number, to: number, protocol: number, port: number, directed: boolean): number {
    const known = this.#store.find(from, to, protocol, port, directed);
    if (known >= 0) return known;
    const row = this.#store.append(from, to, protocol, port, directed);
    const source = this.#endpoints.at(from).id;
    const target = this.#endpoints.at(to).id;
    const edge = this.graph.edge(source, target);
    if (edge === undefined) {
      this.graph.addDirectedEdgeWithKey(row.toString(keyRadix), source, target, noAttributes);
    } else {
      const { table } = this.#store;
      const head = Number.parseInt(edge, keyRadix);
      table.setWord(row, column.next, table.word(head, column.next));
      table.setWord(head, column.next, row + 1);
    }
    return row;
  }

  #connection(row: number): Connection {
    const { table } = this.#store;
    const { protocol, port, directed } = splitKey(table.word(row, column.key));
    const source = this.#endpoints.at(table.word(row, column.source)).endpoint;
    const destination = this.#endpoints.at(table.word(row, column.destination)).endpoint;
    const id = connectionId(source, destination, protocol, port, directed);
    return { id, source, destination, protocol, port, directed, evidence: this.#store.evidence(row) };
  }

  /** Endpoints and rows in canonical order as a delta without observation. */
  #delta({ order, rank }: CanonicalOrder, rows: Uint32Array): Omit<GraphDelta, 'flows' | 'losses'> {
    const endpoints = order.map((position): EndpointDelta => {
      const { id, endpoint } = this.#endpoints.at(position);
      return { endpoint, dnsNames: this.graph.getNodeAttribute(id, 'dnsNames') };
    });
    const rankOf = (row: number, field: number) => rank[this.#store.table.word(row, field)] ?? 0;
    const connections: ConnectionDelta[] = [];
    for (const row of rows) {
      connections.push(this.#store.delta(row, rankOf(row, column.source), rankOf(row, column.destination)));
    }
    return { version: 1, binMs: this.binMs, endpoints, connections };
  }

  #canonicalRows(): Uint32Array {
    const { table } = this.#store;
    if (this.#sortedRows.length === table.rows) return this.#sortedRows;
    const rows = Uint32Array.from({ length: table.rows }, (_, row) => row);
    this.#sortedRows = this.#inOrder(rows, this.#endpoints.canonicalOrder().rank);
    return this.#sortedRows;
  }

  /** Sorts the rows in place. */
  #inOrder(rows: Uint32Array<ArrayBuffer>, rank: Uint32Array): Uint32Array<ArrayBuffer> {
    const { table } = this.#store;
    const ranked = (row: number, field: number) => rank[table.word(row, field)] ?? 0;
    const key = (row: number) => sortableKey(table.word(row, column.key));
    return rows.sort(
      (a, b) =>
        ranked(a, column.source) - ranked(b, column.source) ||
        ranked(a, column.destination) - ranked(b, column.destination) ||
        key(a) - key(b),
    );
  }
}
