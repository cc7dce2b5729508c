import { type Evidence, replicaLimit } from '../model/connection.ts';
import { type FlowSourceKind, flowSourceKinds, type FlowVerdict } from '../model/flow.ts';
import type { Sighting } from '../model/sighting.ts';
import { ChangedRows } from './changed-rows.ts';
import { column, connectionKey, doubleColumn, EvidenceTable, halfColumn, mix, splitKey } from './evidence-table.ts';
import type { ConnectionDelta, EvidenceDelta } from './graph-delta.ts';
import { type RecentKeyChunk, RecentKeys } from './recent-keys.ts';
import { binLimit, type BinSet, binWidths, foldBin, unionBins } from './time-bins.ts';

const highestCount = 0xffff_ffff;
const clientNodeWords = ['unknown', 'own', 'other'] as const;
const answeredWords = ['unknown', 'no', 'yes'] as const;
/** The finest bins are marked modulo this prime: neither hours nor days coincide with it. Fits the 96 bits of a row. */
const markModulus = 89;
const markWords = 3;

/** Where a row keeps the hashes of one side's pods; 0 is an empty slot. */
interface ReplicaSlots {
  get(row: number, i: number): number;
  set(row: number, i: number, hash: number): void;
}

/**
 * Evidence per connection, a fixed number of bytes however many flows there are. Whatever is added is added by a union,
 * a least, a most or a sum that stops at its limit, so that order and grouping leave no trace.
 */
export class EvidenceStore {
  readonly table = new EvidenceTable();
  readonly changed = new ChangedRows();
  #followed: ChangedRows | undefined;
  #firstMs = Number.POSITIVE_INFINITY;
  #lastMs = 0;
  readonly #widths: readonly number[];
  readonly #finestMs: number;
  readonly #recent: RecentKeys;
  readonly #clients: ReplicaSlots = {
    get: (row, i) => this.table.word(row, column.clientReplicas + i),
    set: (row, i, hash) => this.table.setWord(row, column.clientReplicas + i, hash),
  };
  readonly #servers: ReplicaSlots = {
    get: (row, i) => this.table.half(row, halfColumn.serverReplicas + i),
    set: (row, i, hash) => this.table.setHalf(row, halfColumn.serverReplicas + i, hash),
  };

  constructor(binMs: number, rememberedConnections: number, journaled: boolean) {
    this.#finestMs = binMs;
    this.#widths = binWidths(binMs);
    this.#recent = new RecentKeys(rememberedConnections, journaled);
  }

  /** From the first to the last flow of all connections; undefined while there is none. */
  get span(): { readonly firstMs: number; readonly lastMs: number } | undefined {
    return this.table.rows === 0 ? undefined : { firstMs: this.#firstMs, lastMs: this.#lastMs };
  }

  /** What changes from now on, beside `changed`; one reader at most. */
  follow(): ChangedRows {
    return (this.#followed = new ChangedRows());
  }

  /** The row of a connection; -1 when there is none yet. */
  find(source: number, destination: number, protocol: number, port: number, directed: boolean): number {
    return this.table.find(source, destination, connectionKey(protocol, port, directed));
  }

  append(source: number, destination: number, protocol: number, port: number, directed: boolean): number {
    const row = this.table.append(source, destination, connectionKey(protocol, port, directed));
    this.table.setDouble(row, doubleColumn.firstMs, Number.POSITIVE_INFINITY);
    return row;
  }

  /**
   * Adds one sighting, with its counts or without; `identity` tells connections apart in this process and the next, `who`
   * tells clients apart, `bin` is the finest bin of `timeMs`.
   */
  addSighting(
    row: number,
    sighting: Sighting,
    isCounted: boolean,
    identity: number,
    who: number,
    timeMs: number,
    endMs: number,
    bin: number,
  ): void {
    this.#mark(row);
    const { client, server, clientPort } = sighting;
    const field = verdictColumn(sighting.verdict);
    let connections = isCounted ? sighting.connections : 0;
    let bytes = isCounted ? sighting.bytes : 0;
    if (clientPort !== 0) {
      const high = mix(identity, who, (clientPort << 4) | field);
      // not the server's replica: a client that used a Service does not know it, but the server's own report does
      const low = mix(clientPort, bin, high ^ who);
      if (!this.#recent.add(high, low)) connections = 0;
      if (bytes > 0 && !this.#recent.add(low, high)) bytes = 0;
    }
    // a try that failed, told by a source without verdicts: perhaps a policy denied it, so that it passed nothing
    if (sighting.verdict === 'none' && sighting.answered === false) connections = 0;
    if (connections > 0) this.#addCount(row, field, connections);
    if (bytes > 0) this.#addBytes(row, bytes);
    this.#addSpan(row, timeMs, endMs);
    this.#addBin(row, bin);
    if (client.replica !== 0) this.#addReplica(row, this.#clients, client.replica);
    if (server.replica !== 0) this.#addReplica(row, this.#servers, shortHash(server.replica));
    const answered = sighting.answered === undefined ? 0 : sighting.answered ? 2 : 1;
    this.#addMeta(row, answered, clientNodeBits(sighting), sourceBit(sighting.source));
  }

  /** Throws RangeError when the delta's bins are of a width that this store does not know. */
  merge(row: number, delta: EvidenceDelta): void {
    const level = this.#widths.indexOf(delta.binMs);
    if (level < 0) throw new RangeError(`evidence in bins of ${delta.binMs} ms cannot be added here`);
    this.#mark(row);
    this.#addCount(row, column.allowed, delta.allowed);
    this.#addCount(row, column.denied, delta.denied);
    this.#addCount(row, column.audited, delta.audited);
    this.#addBytes(row, delta.bytes);
    this.#addSpan(row, delta.firstMs, delta.lastMs);
    this.#addBins(row, { level, bins: delta.bins.map((start) => Math.floor(start / delta.binMs)) });
    delta.marks.forEach((mark, i) => this.#orWord(row, column.marks + i, mark));
    for (const replica of delta.clientReplicas) this.#addReplica(row, this.#clients, replica);
    for (const replica of delta.serverReplicas) this.#addReplica(row, this.#servers, replica);
    const sources = delta.sources.reduce((bits, source) => bits | sourceBit(source), 0);
    this.#addMeta(row, answeredWords.indexOf(delta.answered), clientNodeWords.indexOf(delta.clientNode), sources);
  }

  /** Connections remembered by port and time since this was asked last. */
  takeRemembered(): RecentKeyChunk[] {
    return this.#recent.takeAdded();
  }

  /** All that are remembered. */
  takeAllRemembered(): RecentKeyChunk[] {
    return this.#recent.takeAll();
  }

  remember(chunks: readonly RecentKeyChunk[]): void {
    this.#recent.restore(chunks);
  }

  evidence(row: number): Evidence {
    const { table } = this;
    const meta = table.word(row, column.meta);
    const binMs = this.#widths[binLevel(meta)] ?? this.#finestMs;
    const bins: number[] = [];
    for (let i = 0; i < binCount(meta); i++) bins.push(table.word(row, column.bins + i) * binMs);
    return {
      allowed: table.word(row, column.allowed),
      denied: table.word(row, column.denied),
      audited: table.word(row, column.audited),
      bytes: table.double(row, doubleColumn.bytes),
      firstMs: table.double(row, doubleColumn.firstMs),
      lastMs: table.double(row, doubleColumn.lastMs),
      bins,
      binMs,
      incidences: binLevel(meta) === 0 ? bins.length : Math.max(binLimit + 1, this.#markCount(row)),
      clientReplicas: this.#replicaCount(row, this.#clients),
      serverReplicas: this.#replicaCount(row, this.#servers),
      sources: sourceSets[sourceBits(meta)] ?? [],
      answered: answeredWords[answeredOf(meta)] ?? 'unknown',
      clientNode: clientNodeWords[clientNodeOf(meta)] ?? 'unknown',
    };
  }

  /** The row as it is, as a connection of a delta. */
  delta(row: number, source: number, destination: number): ConnectionDelta {
    const { table } = this;
    const { protocol, port, directed } = splitKey(table.word(row, column.key));
    const { allowed, denied, audited, bytes, firstMs, lastMs, bins, binMs, sources, answered, clientNode } =
      this.evidence(row);
    const marks: number[] = [];
    for (let i = 0; i < markWords; i++) marks.push(table.word(row, column.marks + i));
    // field by field: spreading a million rows takes many times as long
    return {
      source,
      destination,
      protocol,
      port,
      directed,
      allowed,
      denied,
      audited,
      bytes,
      firstMs,
      lastMs,
      bins,
      binMs,
      sources,
      answered,
      clientNode,
      marks,
      clientReplicas: this.#replicas(row, this.#clients),
      serverReplicas: this.#replicas(row, this.#servers),
    };
  }

  #mark(row: number): void {
    this.changed.mark(row);
    this.#followed?.mark(row);
  }

  #addCount(row: number, field: number, count: number): void {
    this.table.setWord(row, field, Math.min(this.table.word(row, field) + count, highestCount));
  }

  #addBytes(row: number, bytes: number): void {
    const sum = this.table.double(row, doubleColumn.bytes) + Math.floor(bytes);
    this.table.setDouble(row, doubleColumn.bytes, Math.min(sum, Number.MAX_SAFE_INTEGER));
  }

  #addSpan(row: number, firstMs: number, lastMs: number): void {
    const { table } = this;
    if (firstMs < table.double(row, doubleColumn.firstMs)) {
      table.setDouble(row, doubleColumn.firstMs, firstMs);
      this.#firstMs = Math.min(this.#firstMs, firstMs);
    }
    if (lastMs > table.double(row, doubleColumn.lastMs)) {
      table.setDouble(row, doubleColumn.lastMs, lastMs);
      this.#lastMs = Math.max(this.#lastMs, lastMs);
    }
  }

  #addBin(row: number, bin: number): void {
    const mark = bin % markModulus;
    this.#orWord(row, column.marks + (mark >>> 5), 1 << (mark & 31));
    const meta = this.table.word(row, column.meta);
    const folded = foldBin(this.#widths, 0, binLevel(meta), bin);
    for (let i = binCount(meta) - 1; i >= 0; i--) if (this.table.word(row, column.bins + i) === folded) return;
    this.#addBins(row, { level: 0, bins: [bin] });
  }

  #addBins(row: number, added: BinSet): void {
    const { level, bins } = unionBins(this.#widths, this.#bins(row), added);
    bins.forEach((bin, i) => this.table.setWord(row, column.bins + i, bin));
    const meta = this.table.word(row, column.meta);
    this.table.setWord(
      row,
      column.meta,
      packMeta(level, bins.length, answeredOf(meta), clientNodeOf(meta), sourceBits(meta)),
    );
  }

  #bins(row: number): BinSet {
    const meta = this.table.word(row, column.meta);
    const bins = Array.from({ length: binCount(meta) }, (_, i) => this.table.word(row, column.bins + i));
    return { level: binLevel(meta), bins };
  }

  #addMeta(row: number, answered: number, clientNode: number, sources: number): void {
    const meta = this.table.word(row, column.meta);
    const most = Math.max(answeredOf(meta), answered);
    const node = Math.max(clientNodeOf(meta), clientNode);
    const added = packMeta(binLevel(meta), binCount(meta), most, node, sourceBits(meta) | sources);
    if (added !== meta) this.table.setWord(row, column.meta, added);
  }

  /** Keeps the smallest hashes, ascending: the same in any order of arrival. */
  #addReplica(row: number, slots: ReplicaSlots, replica: number): void {
    let candidate = replica;
    for (let i = 0; i < replicaLimit; i++) {
      const kept = slots.get(row, i);
      if (kept === candidate) return;
      if (kept === 0 || candidate < kept) {
        slots.set(row, i, candidate);
        candidate = kept;
      }
      if (candidate === 0) return;
    }
  }

  #replicaCount(row: number, slots: ReplicaSlots): number {
    let count = 0;
    while (count < replicaLimit && slots.get(row, count) !== 0) count++;
    return count;
  }

  #replicas(row: number, slots: ReplicaSlots): number[] {
    const replicas: number[] = [];
    for (let i = 0; i < replicaLimit && slots.get(row, i) !== 0; i++) replicas.push(slots.get(row, i));
    return replicas;
  }

  /** Distinct residues of the finest bins: never more than there were bins. */
  #markCount(row: number): number {
    let count = 0;
    for (let i = 0; i < markWords; i++) {
      for (let bits = this.table.word(row, column.marks + i); bits !== 0; bits &= bits - 1) count++;
    }
    return count;
  }

  #orWord(row: number, field: number, bits: number): void {
    this.table.setWord(row, field, this.table.word(row, field) | bits);
  }
}

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

/** 16 bits are enough for servers: no decision hangs on their exact number. */
function shortHash(replica: number): number {
  return (replica ^ (replica >>> 16)) & 0xffff || 1;
}

function sourceBit(source: FlowSourceKind): number {
  return 1 << flowSourceKinds.indexOf(source);
}

/** The sources of each combination of bits, made once: a million connections share a few lists. */
const sourceSets: readonly (readonly FlowSourceKind[])[] = Array.from(
  { length: 1 << flowSourceKinds.length },
  (_, bits) => flowSourceKinds.filter((source) => (bits & sourceBit(source)) !== 0),
);

/** Whether a node that is the client reaches a pod on itself (1) or on another node (2); 0 when that cannot be said. */
function clientNodeBits({ client: { endpoint }, server: { node } }: Sighting): number {
  if (endpoint.kind !== 'node' || endpoint.name === '' || node === undefined) return 0;
  return node === endpoint.name ? 1 : 2;
}

function packMeta(level: number, count: number, answered: number, clientNode: number, sources: number): number {
  return (level | (count << 8) | (answered << 12) | (clientNode << 14) | (sources << 16)) >>> 0;
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

function clientNodeOf(meta: number): number {
  return (meta >>> 14) & 3;
}

function sourceBits(meta: number): number {
  return meta >>> 16;
}
