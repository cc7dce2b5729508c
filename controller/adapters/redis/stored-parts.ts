import type { ConnectionDelta, EndpointDelta, GraphDelta, NodeFlows, NodeLosses } from '../../graph/graph-delta.ts';
import { type ConnectionRow, decodeConnection } from '../../graph/snapshot.ts';
import { endpointId } from '../../model/endpoint.ts';

/** Some of the connections as they are stored. */
export interface Bucket {
  readonly size: number;
  /** A JSON array of rows that name their endpoints by the stored number. */
  readonly rows: Buffer;
}

export interface StoredParts {
  readonly binMs: number;
  /** By number. */
  readonly endpoints: ReadonlyMap<number, EndpointDelta>;
  /** Emptied while it is read, so that what was decoded is not there twice. */
  readonly buckets: Bucket[];
  readonly flows: readonly NodeFlows[];
  readonly losses: readonly NodeLosses[];
  readonly parsed: <Value>(text: string) => Value;
  /** Whether endpoints without a connection are part of it; else their ids are told at the end. */
  readonly keepUnused: boolean;
  readonly onUnused: (ids: readonly string[]) => void;
}

/** One bucket after the other, decoded only when it is asked for. */
export function* storedParts(stored: StoredParts): Generator<GraphDelta> {
  const { binMs, endpoints, buckets, flows, losses, parsed, keepUnused, onUnused } = stored;
  const used = new Set<number>();
  for (let bucket = buckets.pop(); bucket !== undefined; bucket = buckets.pop()) {
    if (bucket.size === 0) continue;
    const rows = parsed<ConnectionRow[]>(bucket.rows.toString());
    yield { version: 1, binMs, ...between(rows, endpoints, used), flows: [], losses: [] };
  }
  const unused = [...endpoints].filter(([number]) => !used.has(number)).map(([, endpoint]) => endpoint);
  if (!keepUnused) onUnused(unused.map(({ endpoint }) => endpointId(endpoint)));
  yield { version: 1, binMs, endpoints: keepUnused ? unused : [], connections: [], flows, losses };
}

function between(
  rows: readonly ConnectionRow[],
  stored: ReadonlyMap<number, EndpointDelta>,
  used: Set<number>,
): Pick<GraphDelta, 'endpoints' | 'connections'> {
  const endpoints: EndpointDelta[] = [];
  const positions = new Map<number, number>();
  const positionOf = (number: number) => {
    const known = positions.get(number);
    if (known !== undefined) return known;
    const endpoint = stored.get(number);
    if (endpoint === undefined) throw new RangeError(`a stored connection without its endpoint ${number}`);
    used.add(number);
    const position = endpoints.push(endpoint) - 1;
    positions.set(number, position);
    return position;
  };
  const connections = rows.map((row): ConnectionDelta => {
    const [source, destination, ...rest] = row;
    return decodeConnection([positionOf(source), positionOf(destination), ...rest]);
  });
  return { endpoints, connections };
}
