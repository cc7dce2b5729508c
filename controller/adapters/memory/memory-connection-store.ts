import type { ConnectionDelta, EndpointDelta, GraphDelta, NodeFlows, NodeLosses } from '../../graph/graph-delta.ts';
import { connectionId } from '../../model/connection.ts';
import { endpointId } from '../../model/endpoint.ts';
import type { ConnectionStore, IngestMemory, SourcePosition, SourcePositions, StoredEvidence } from '../../ports.ts';
import { withoutForgotten } from '../../graph/recent-keys.ts';

const nothingKnown: IngestMemory = { recent: [], held: [], observed: { apiServer: [], nodes: [] } };

/** Evidence that lives as long as the process, for tests and for a controller that is asked to keep nothing. */
export class MemoryConnectionStore implements ConnectionStore {
  readonly #endpoints = new Map<string, EndpointDelta>();
  readonly #connections = new Map<
    string,
    { readonly from: string; readonly to: string; readonly row: ConnectionDelta }
  >();
  readonly #flows = new Map<string, NodeFlows>();
  readonly #losses = new Map<string, NodeLosses>();
  readonly #positions = new Map<string, SourcePosition>();
  #memory = nothingKnown;
  #binMs: number | undefined;

  async load(): Promise<StoredEvidence> {
    const evidence = this.#binMs === undefined ? [] : [this.#evidence(this.#binMs)];
    return { binMs: this.#binMs, evidence, positions: new Map(this.#positions), memory: this.#memory };
  }

  async save(changes: GraphDelta, positions: SourcePositions, memory?: IngestMemory): Promise<void> {
    this.#binMs ??= changes.binMs;
    if (this.#binMs !== changes.binMs)
      throw new RangeError(`evidence in bins of ${changes.binMs} ms cannot be saved here`);
    const { endpoints } = changes;
    const connections = changes.connections.map((row) => {
      const [from, to] = [endpoints[row.source]?.endpoint, endpoints[row.destination]?.endpoint];
      if (from === undefined || to === undefined) throw new RangeError('a connection without its endpoint in a delta');
      const id = connectionId(from, to, row.protocol, row.port, row.directed);
      return [id, { from: endpointId(from), to: endpointId(to), row }] as const;
    });
    for (const one of endpoints) this.#endpoints.set(endpointId(one.endpoint), one);
    for (const [id, connection] of connections) this.#connections.set(id, connection);
    for (const record of changes.flows) this.#flows.set(`${record.source} ${record.node}`, record);
    for (const record of changes.losses) this.#losses.set(`${record.source} ${record.node}`, record);
    for (const [source, position] of positions) {
      if (position === undefined) this.#positions.delete(source);
      else this.#positions.set(source, position);
    }
    if (memory !== undefined) {
      this.#memory = { ...memory, recent: withoutForgotten([...this.#memory.recent, ...memory.recent]) };
    }
  }

  async close(): Promise<void> {}

  #evidence(binMs: number): GraphDelta {
    const positions = new Map([...this.#endpoints.keys()].map((id, i) => [id, i]));
    return {
      version: 1,
      binMs,
      endpoints: [...this.#endpoints.values()],
      connections: [...this.#connections.values()].map(({ from, to, row }) => ({
        ...row,
        source: positions.get(from) ?? 0,
        destination: positions.get(to) ?? 0,
      })),
      flows: [...this.#flows.values()],
      losses: [...this.#losses.values()],
    };
  }
}
