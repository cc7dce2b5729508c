import { endianness } from 'node:os';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { EndpointDelta, GraphDelta, NodeFlows, NodeLosses } from '../../graph/graph-delta.ts';
import type { RecentKeyChunk } from '../../graph/recent-keys.ts';
import { type ConnectionRow, decodeConnection, encodeConnection, orderedEndpoint } from '../../graph/snapshot.ts';
import { endpointId } from '../../model/endpoint.ts';
import type { ConnectionStore, IngestMemory, SourcePositions, StoredEvidence } from '../../ports.ts';
import { openConnectionFile, translated } from './connection-file.ts';

/** Connections in one part of what is loaded. */
const partConnections = 10_000;

/**
 * Evidence in a SQLite file. What was saved survives the death of the process, and a loss of power, at any moment. One
 * process has the file open at a time. Opening throws ConnectionFileError.
 */
export class SqliteConnectionStore implements ConnectionStore {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #statements: Statements;

  constructor(path: string) {
    this.#path = path;
    this.#database = openConnectionFile(path);
    this.#statements = prepared(this.#database);
  }

  async load(): Promise<StoredEvidence> {
    return translated(this.#path, () => {
      const binMs = this.#setting<number>('binMs');
      const positions = this.#database.prepare('SELECT source, position FROM source_position').all();
      return {
        binMs,
        evidence: binMs === undefined ? [] : this.#evidence(binMs),
        positions: new Map(positions.map((row) => [String(row['source']), String(row['position'])])),
        memory: {
          recent: this.#recent(),
          held: this.#setting('held') ?? [],
          observed: this.#setting('observed') ?? { apiServer: [], nodes: [] },
        },
      };
    });
  }

  async save(changes: GraphDelta, positions: SourcePositions, memory?: IngestMemory): Promise<void> {
    translated(this.#path, () => {
      this.#database.exec('BEGIN IMMEDIATE');
      try {
        this.#write(changes, positions, memory);
        this.#database.exec('COMMIT');
      } catch (error) {
        // some errors have rolled back already
        if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    if (this.#database.isOpen) this.#database.close();
  }

  #write(changes: GraphDelta, positions: SourcePositions, memory: IngestMemory | undefined): void {
    const { setting, endpoint, connection, nodeFlows, nodeLosses, position, forgetPosition } = this.#statements;
    const binMs = this.#setting<number>('binMs');
    if (binMs === undefined) setting.run('binMs', JSON.stringify(changes.binMs));
    else if (binMs !== changes.binMs)
      throw new RangeError(`evidence in bins of ${changes.binMs} ms cannot be saved here`);
    const stored = changes.endpoints.map((one) => {
      const text = JSON.stringify(orderedEndpoint(one.endpoint));
      return Number(endpoint.get(endpointId(one.endpoint), text, JSON.stringify(one.dnsNames))?.['position']);
    });
    for (const delta of changes.connections) {
      const [source, destination] = [stored[delta.source], stored[delta.destination]];
      if (source === undefined || destination === undefined) {
        throw new RangeError('a connection without its endpoint in a delta');
      }
      const [, , protocol, port, directed, ...evidence] = encodeConnection(delta);
      connection.run(source, destination, protocol, port, directed, JSON.stringify(evidence));
    }
    for (const record of changes.flows) nodeFlows.run(record.source, record.node, JSON.stringify(record));
    for (const record of changes.losses) nodeLosses.run(record.source, record.node, JSON.stringify(record));
    for (const [source, text] of positions) {
      if (text === undefined) forgetPosition.run(source);
      else position.run(source, text);
    }
    if (memory !== undefined) this.#writeMemory(memory);
  }

  #writeMemory({ recent, held, observed }: IngestMemory): void {
    const { setting, recentKeys, forgetKeys } = this.#statements;
    setting.run('held', JSON.stringify(held));
    setting.run('observed', JSON.stringify(observed));
    for (const { generation, keys } of recent) recentKeys.run(generation, generation, littleEndian(keys));
    const latest = recent.at(-1)?.generation;
    if (latest !== undefined) forgetKeys.run(latest - 1);
  }

  #setting<Value>(name: string): Value | undefined {
    const row = this.#statements.readSetting.get(name);
    return row === undefined ? undefined : (JSON.parse(String(row['value'])) as Value);
  }

  #recent(): RecentKeyChunk[] {
    const rows = this.#database.prepare('SELECT generation, keys FROM recent_keys ORDER BY generation, part').all();
    return rows.map((row) => ({ generation: Number(row['generation']), keys: words(row['keys'] as Uint8Array) }));
  }

  *#evidence(binMs: number): Generator<GraphDelta> {
    const parts = this.#parts(binMs);
    for (;;) {
      const next = translated(this.#path, () => parts.next());
      if (next.done === true) return;
      yield next.value;
    }
  }

  *#parts(binMs: number): Generator<GraphDelta> {
    const endpoints = new Map<number, EndpointDelta>();
    for (const row of this.#database.prepare('SELECT position, endpoint, dns_names FROM endpoint').iterate()) {
      const endpoint = JSON.parse(String(row['endpoint'])) as EndpointDelta['endpoint'];
      const dnsNames = JSON.parse(String(row['dns_names'])) as string[];
      endpoints.set(Number(row['position']), { endpoint, dnsNames });
    }
    yield {
      version: 1,
      binMs,
      endpoints: [...endpoints.values()],
      connections: [],
      flows: this.#records<NodeFlows>('node_flows'),
      losses: this.#records<NodeLosses>('node_losses'),
    };
    let part = new Part(binMs, endpoints);
    for (const row of this.#database.prepare('SELECT * FROM connection').iterate()) {
      part.add(row);
      if (part.size < partConnections) continue;
      yield part.delta();
      part = new Part(binMs, endpoints);
    }
    if (part.size > 0) yield part.delta();
  }

  #records<RecordOfNode>(table: 'node_flows' | 'node_losses'): RecordOfNode[] {
    const rows = this.#database.prepare(`SELECT record FROM ${table}`).all();
    return rows.map((row) => JSON.parse(String(row['record'])) as RecordOfNode);
  }
}

/** Some connections with the endpoints that they are between. */
class Part {
  readonly #binMs: number;
  readonly #known: ReadonlyMap<number, EndpointDelta>;
  readonly #endpoints: EndpointDelta[] = [];
  readonly #positions = new Map<number, number>();
  readonly #connections: GraphDelta['connections'][number][] = [];

  constructor(binMs: number, known: ReadonlyMap<number, EndpointDelta>) {
    this.#binMs = binMs;
    this.#known = known;
  }

  get size(): number {
    return this.#connections.length;
  }

  add(row: Readonly<Record<string, unknown>>): void {
    const evidence = JSON.parse(String(row['evidence'])) as unknown[];
    const identity = [
      this.#position(Number(row['source'])),
      this.#position(Number(row['destination'])),
      Number(row['protocol']),
      Number(row['port']),
      Number(row['directed']),
    ];
    this.#connections.push(decodeConnection([...identity, ...evidence] as unknown as ConnectionRow));
  }

  delta(): GraphDelta {
    return {
      version: 1,
      binMs: this.#binMs,
      endpoints: this.#endpoints,
      connections: this.#connections,
      flows: [],
      losses: [],
    };
  }

  #position(stored: number): number {
    const known = this.#positions.get(stored);
    if (known !== undefined) return known;
    const endpoint = this.#known.get(stored);
    if (endpoint === undefined) throw new RangeError(`a stored connection without its endpoint ${stored}`);
    const position = this.#endpoints.push(endpoint) - 1;
    this.#positions.set(stored, position);
    return position;
  }
}

type Statements = Readonly<
  Record<
    | 'setting'
    | 'readSetting'
    | 'endpoint'
    | 'connection'
    | 'nodeFlows'
    | 'nodeLosses'
    | 'position'
    | 'forgetPosition'
    | 'recentKeys'
    | 'forgetKeys',
    StatementSync
  >
>;

function prepared(database: DatabaseSync): Statements {
  return {
    setting: database.prepare('INSERT OR REPLACE INTO setting VALUES (?, ?)'),
    readSetting: database.prepare('SELECT value FROM setting WHERE name = ?'),
    endpoint: database.prepare(
      `INSERT INTO endpoint (id, endpoint, dns_names) VALUES (?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET dns_names = excluded.dns_names RETURNING position`,
    ),
    connection: database.prepare('INSERT OR REPLACE INTO connection VALUES (?, ?, ?, ?, ?, ?)'),
    nodeFlows: database.prepare('INSERT OR REPLACE INTO node_flows VALUES (?, ?, ?)'),
    nodeLosses: database.prepare('INSERT OR REPLACE INTO node_losses VALUES (?, ?, ?)'),
    position: database.prepare('INSERT OR REPLACE INTO source_position VALUES (?, ?)'),
    forgetPosition: database.prepare('DELETE FROM source_position WHERE source = ?'),
    recentKeys: database.prepare(
      `INSERT INTO recent_keys
       VALUES (?, (SELECT coalesce(max(part), 0) + 1 FROM recent_keys WHERE generation = ?), ?)`,
    ),
    forgetKeys: database.prepare('DELETE FROM recent_keys WHERE generation < ?'),
  };
}

const isLittleEndian = endianness() === 'LE';

function littleEndian(keys: Uint32Array): Uint8Array {
  const bytes = Buffer.from(keys.buffer, keys.byteOffset, keys.byteLength);
  return isLittleEndian ? bytes : Buffer.from(bytes).swap32();
}

function words(stored: Uint8Array): Uint32Array {
  const bytes = Buffer.from(stored);
  if (!isLittleEndian) bytes.swap32();
  return new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}
