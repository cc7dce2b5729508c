import { endianness } from 'node:os';
import type { GraphDelta } from '../../graph/graph-delta.ts';
import type { Growth } from '../../graph/growth.ts';
import { encodeGrowth } from '../../graph/growth-text.ts';
import { encodeConnection, orderedEndpoint } from '../../graph/snapshot.ts';
import { endpointId } from '../../model/endpoint.ts';
import { fnv1a } from '../../model/object-name.ts';
import type { IngestMemory, SourcePositions } from '../../ports.ts';
import { buckets, type StoreKeys } from './redis-keys.ts';

type Argument = string | Buffer;

/** A command on one key of the store, which the script of a save carries out. */
export interface Operation {
  readonly command: 'HSET' | 'HDEL' | 'APPEND' | 'UNLINK' | 'XDEL' | 'SET';
  readonly key: string;
  readonly args: readonly Argument[];
}

/** Lua takes at most 8000 values from a list at once. */
const mostArguments = 4_000;
/** Far below the limits of the server and of a proxy in between. */
const mostBytes = 1 << 20;

/** Throws RangeError for a connection without its endpoint. `numbers`: those of the endpoints, by position. */
export function evidenceOperations(keys: StoreKeys, changes: GraphDelta, numbers: readonly number[]): Operation[] {
  const byBucket = new Map<number, string[]>();
  for (const delta of changes.connections) {
    const [source, destination] = [numbers[delta.source], numbers[delta.destination]];
    if (source === undefined || destination === undefined) {
      throw new RangeError('a connection without its endpoint in a delta');
    }
    const [, , protocol, port, directed, ...evidence] = encodeConnection(delta);
    const field = `${source},${destination},${protocol},${port},${directed}`;
    const bucket = fnv1a(field) % buckets;
    let pairs = byBucket.get(bucket);
    if (pairs === undefined) byBucket.set(bucket, (pairs = []));
    pairs.push(field, JSON.stringify(evidence).slice(1, -1));
  }
  const endpoints = changes.endpoints.flatMap(({ endpoint, dnsNames }, i) => [
    endpointId(endpoint),
    JSON.stringify([numbers[i], orderedEndpoint(endpoint), dnsNames]),
  ]);
  const ofNodes = (records: GraphDelta['flows'] | GraphDelta['losses']) =>
    records.flatMap((record) => [JSON.stringify([record.source, record.node]), JSON.stringify(record)]);
  return [
    ...setFields(keys.endpoints, endpoints),
    ...[...byBucket].flatMap(([bucket, pairs]) => setFields(keys.connections(bucket), pairs)),
    ...setFields(keys.flows, ofNodes(changes.flows)),
    ...setFields(keys.losses, ofNodes(changes.losses)),
  ];
}

/** Undefined: nobody needs the position any more. */
export function positionOperations(keys: StoreKeys, positions: SourcePositions): Operation[] {
  const entries = [...positions];
  return [
    ...setFields(
      keys.positions,
      entries.flatMap(([source, text]) => (text === undefined ? [] : [source, text])),
    ),
    ...removeFields(
      keys.positions,
      entries.flatMap(([source, text]) => (text === undefined ? [source] : [])),
    ),
  ];
}

/** `generations`: those that are stored, ascending. */
export function memoryOperations(
  keys: StoreKeys,
  { recent, held, observed }: IngestMemory,
  generations: readonly number[],
): { readonly operations: readonly Operation[]; readonly generations: readonly number[] } {
  const all = [...new Set([...generations, ...recent.map(({ generation }) => generation)])].sort((a, b) => a - b);
  const latest = all.at(-1) ?? 0;
  const kept = all.filter((generation) => generation >= latest - 1);
  const operations: Operation[] = [
    ...setFields(keys.meta, [
      'held',
      JSON.stringify(held),
      'observed',
      JSON.stringify(observed),
      'generations',
      JSON.stringify(kept),
    ]),
    ...recent
      .filter(({ generation }) => generation >= latest - 1)
      .map(({ generation, keys: added }) => ({
        command: 'APPEND' as const,
        key: keys.recent(generation),
        args: [littleEndian(added)],
      })),
    ...generations
      .filter((generation) => generation < latest - 1)
      .map((generation) => ({ command: 'UNLINK' as const, key: keys.recent(generation), args: [] })),
  ];
  return { operations, generations: kept };
}

export function setFields(key: string, pairs: readonly Argument[]): Operation[] {
  return slices(pairs).map((args) => ({ command: 'HSET', key, args }));
}

export function removeFields(key: string, fields: readonly string[]): Operation[] {
  return slices(fields).map((args) => ({ command: 'HDEL', key, args }));
}

/** Ids as one text: as many texts of their own they take longer to send than all else of a save. */
export function removeEntries(key: string, ids: readonly string[]): Operation[] {
  return ids.length === 0 ? [] : [{ command: 'XDEL', key, args: [ids.join(' ')] }];
}

/** Larger than this, what grew is not put down for followers: they read everything anew. */
const mostChangesBytes = 16 << 20;
/** Followers look each second or so. */
const changesKeptMs = 60_000;

/** What a save adds to what was there, for those who follow; `revision` is the one that it makes. */
export function changesOperations(keys: StoreKeys, revision: number, growth: Growth): Operation[] {
  const text = encodeGrowth(growth);
  if (text.length > mostChangesBytes) return [];
  return [{ command: 'SET', key: keys.changes(revision), args: [text, 'PX', `${changesKeptMs}`] }];
}

function slices(args: readonly Argument[]): (readonly Argument[])[] {
  const length = mostArguments / 2;
  return Array.from({ length: Math.ceil(args.length / length) }, (_, i) => args.slice(i * length, (i + 1) * length));
}

/** What the script of a save is told: keys by position, and operations in parts of bounded size. */
export interface SavePlan {
  readonly keys: readonly string[];
  readonly parts: readonly (readonly Argument[])[];
}

/** `first`: so many keys stand before those of the operations. */
export function planSave(operations: readonly Operation[], first: number): SavePlan {
  const positions = new Map<string, number>();
  const parts: Argument[][] = [[]];
  let bytes = 0;
  for (const { command, key, args } of operations) {
    const position = positions.get(key) ?? positions.size + 1;
    positions.set(key, position);
    const size = args.reduce((sum, arg) => sum + arg.length, 0);
    let part = parts.at(-1) as Argument[];
    if (part.length > 0 && (part.length + args.length + 3 > mostArguments || bytes + size > mostBytes)) {
      parts.push((part = []));
      bytes = 0;
    }
    part.push(command, `${first + position}`, `${args.length}`, ...args);
    bytes += size;
  }
  return { keys: [...positions.keys()], parts };
}

const isLittleEndian = endianness() === 'LE';

function littleEndian(keys: Uint32Array): Buffer {
  const bytes = Buffer.from(keys.buffer, keys.byteOffset, keys.byteLength);
  return isLittleEndian ? bytes : Buffer.from(bytes).swap32();
}

export function words(stored: Buffer): Uint32Array {
  const bytes = Buffer.from(stored);
  if (!isLittleEndian) bytes.swap32();
  return new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}
