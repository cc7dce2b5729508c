import type { EndpointDelta, NodeFlows, NodeLosses } from '../../graph/graph-delta.ts';
import type { RecentKeyChunk } from '../../graph/recent-keys.ts';
import { problem } from '../../model/problem.ts';
import type { StoredEvidence } from '../../ports.ts';
import { buckets, saveField, storeKeys, type StoreKeys } from './redis-keys.ts';
import type { RedisLink } from './redis-link.ts';
import { readScript } from './redis-script.ts';
import { RedisStoreError } from './redis-store-error.ts';
import { words } from './save-plan.ts';
import { type Bucket, storedParts } from './stored-parts.ts';

export interface ReadEvidence {
  readonly link: RedisLink;
  /** Of the store. */
  readonly name: string;
  /** Whether endpoints without a connection are part of it; else their ids are told when all of it was read. */
  readonly keepUnused: boolean;
  readonly onUnused?: (ids: readonly string[]) => void;
  /** Called with each endpoint's number. */
  readonly onNumber?: (id: string, number: number) => void;
}

/** All that is stored, and which moment of which store it is. */
export interface EvidenceReading extends StoredEvidence {
  readonly id: string;
  readonly revision: number;
  /** The name of the save that made the revision; empty before the first. */
  readonly save: string;
}

/** So many requests are under way at once while evidence is read. */
const readAhead = 8;
const scanCount = 2_000;

/**
 * Reads a whole store. `undefined`: somebody saved while it was read, so that it is not of one moment. Rejects with
 * RedisStoreError.
 */
export async function readEvidence(options: ReadEvidence): Promise<EvidenceReading | undefined> {
  const { link, name, keepUnused, onUnused = () => undefined } = options;
  const keys = storeKeys(name);
  const meta = await link.fields(keys.meta);
  const parsed = <Value>(text: string) => parsedAs<Value>(text, options);
  const [positions, flows, losses] = [
    await link.fields(keys.positions),
    await link.fields(keys.flows),
    await link.fields(keys.losses),
  ];
  const endpoints = await readEndpoints(options, keys);
  const rows = await readBuckets(link, keys);
  const generations = parsed<number[]>(meta['generations'] ?? '[]');
  const recent = await Promise.all(generations.map((generation) => readRecent(link, keys, generation)));
  const revision = Number(meta['revision'] ?? 0);
  // connections that are old may be forgotten between saves
  const moment = ['id', 'revision', saveField(revision), 'fields'] as const;
  const now = await link.fieldValues(keys.meta, moment);
  if (moment.some((field, i) => now[i] !== (meta[field] ?? null))) return undefined;
  const count = [positions, flows, losses].reduce((sum, hash) => sum + Object.keys(hash).length, 0);
  const fields = count + endpoints.size + rows.reduce((sum, { size }) => sum + size, 0);
  const expected = Number(meta['fields'] ?? 0);
  if (fields !== expected) {
    const message = `${expected} parts of the evidence were saved as ${name} and ${fields} are there: the server or somebody else removed some`;
    throw unreadable(message, options);
  }
  const binMs = meta['binMs'] === undefined ? undefined : Number(meta['binMs']);
  const ofNodes = <Value>(texts: Readonly<Record<string, string>>) =>
    Object.values(texts).map((text) => parsed<Value>(text));
  return {
    id: meta['id'] ?? '',
    revision,
    save: meta[saveField(revision)] ?? '',
    binMs,
    evidence:
      binMs === undefined
        ? []
        : storedParts({
            binMs,
            endpoints,
            buckets: rows,
            flows: ofNodes<NodeFlows>(flows),
            losses: ofNodes<NodeLosses>(losses),
            parsed,
            keepUnused,
            onUnused,
          }),
    positions: new Map(Object.entries(positions)),
    memory: {
      recent: recent.filter((chunk) => chunk !== undefined),
      held: parsed(meta['held'] ?? '[]'),
      observed: parsed(meta['observed'] ?? '{"apiServer":[],"nodes":[]}'),
    },
  };
}

async function readEndpoints(options: ReadEvidence, keys: StoreKeys): Promise<ReadonlyMap<number, EndpointDelta>> {
  const { link, onNumber } = options;
  const found = new Map<number, EndpointDelta>();
  let cursor = '0';
  do {
    const [next, pairs] = await link.scan(keys.endpoints, cursor, scanCount);
    for (let i = 1; i < pairs.length; i += 2) {
      const [number, endpoint, dnsNames] = parsedAs<[number, EndpointDelta['endpoint'], string[]]>(
        pairs[i] as string,
        options,
      );
      found.set(number, { endpoint, dnsNames });
      onNumber?.(pairs[i - 1] as string, number);
    }
    cursor = next;
  } while (cursor !== '0');
  return found;
}

async function readBuckets(link: RedisLink, keys: StoreKeys): Promise<Bucket[]> {
  const found: Bucket[] = [];
  for (let from = 0; from < buckets; from += readAhead) {
    const read = Array.from({ length: readAhead }, (_, i) => keys.connections(from + i));
    const answers = await Promise.all(read.map((key) => link.runBuffer(readScript, [key])));
    for (const answer of answers as [number, Buffer][]) found.push({ size: answer[0], rows: answer[1] });
  }
  return found;
}

async function readRecent(link: RedisLink, keys: StoreKeys, generation: number): Promise<RecentKeyChunk | undefined> {
  const stored = await link.bytes(keys.recent(generation));
  return stored === null ? undefined : { generation, keys: words(stored) };
}

function parsedAs<Value>(text: string, of: ReadEvidence): Value {
  try {
    return JSON.parse(text) as Value;
  } catch (error) {
    throw unreadable(`the evidence of ${of.name} is damaged: ${String(error)}`, of);
  }
}

function unreadable(message: string, { link }: ReadEvidence): RedisStoreError {
  return new RedisStoreError(problem('EvidenceUnreadable', message, link.name), { retryable: false });
}
