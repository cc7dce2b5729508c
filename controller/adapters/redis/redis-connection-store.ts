import { randomUUID } from 'node:crypto';
import type { EndpointDelta, GraphDelta, NodeFlows, NodeLosses } from '../../graph/graph-delta.ts';
import type { RecentKeyChunk } from '../../graph/recent-keys.ts';
import { problem } from '../../model/problem.ts';
import type { ProblemCode } from '../../model/problem-codes.ts';
import type { Clock, ConnectionStore, IngestMemory, SourcePositions, StoredEvidence } from '../../ports.ts';
import { EndpointNumbers } from './endpoint-numbers.ts';
import type { Layouts } from './layout-migrations.ts';
import { buckets, storeKeys, type StoreKeys } from './redis-keys.ts';
import type { RedisLink } from './redis-link.ts';
import { readScript, rightsScript, saveScript, stageScript, sweepScript } from './redis-script.ts';
import { RedisStoreError } from './redis-store-error.ts';
import {
  evidenceOperations,
  memoryOperations,
  type Operation,
  planSave,
  positionOperations,
  removeFields,
  setFields,
  words,
} from './save-plan.ts';
import { type Bucket, storedParts } from './stored-parts.ts';
import { Writer } from './writer.ts';

export interface RedisStoreOptions {
  readonly link: RedisLink;
  /** Which store: controllers that observe each have one of their own. */
  readonly name: string;
  /** Who writes, for people. */
  readonly who: string;
  readonly clock: Clock;
  /** A writer that is not heard of for so long has ended. @default 15000 */
  readonly leaseMs?: number;
  /** Connections that were last seen longer ago are forgotten by and by. @default never */
  readonly retentionMs?: number;
  /** @default those of this nanoseg */
  readonly layouts?: Layouts;
}

/** Parts of a save may lie there for so long before the save itself comes. */
const stagedMs = 600_000;
const sweepEveryMs = 60_000;
/** So many requests are under way at once while evidence is read. */
const readAhead = 8;
const scanCount = 2_000;

/**
 * Evidence in Redis. Each save is one atomic step of the server, with positions and what ingest knows. One process writes
 * at a time; all else about it stands in docs/redis.md. Rejects with RedisStoreError.
 *
 * When the server has lost what was saved, the next save is refused once with EvidenceLost, and the store begins anew:
 * the save after it has to have everything.
 */
export class RedisConnectionStore implements ConnectionStore {
  readonly #link: RedisLink;
  readonly #keys: StoreKeys;
  readonly #name: string;
  readonly #clock: Clock;
  readonly #retentionMs: number | undefined;
  readonly #writer: Writer;
  #numbers: EndpointNumbers;
  #generations: readonly number[] = [];
  #binMs: number | undefined;
  /** Endpoints that only connections had that are forgotten. */
  #orphans: readonly string[] = [];
  /** The server lost evidence, and it has not been said yet. */
  #lost: string | undefined;
  #sweepBucket = 0;
  #sweptMs = 0;

  private constructor({ link, name, clock, retentionMs }: RedisStoreOptions, writer: Writer) {
    this.#link = link;
    this.#name = name;
    this.#keys = storeKeys(name);
    this.#clock = clock;
    this.#retentionMs = retentionMs;
    this.#writer = writer;
    this.#numbers = new EndpointNumbers(link, this.#keys.endpoints, writer.endpoints);
  }

  /** Waits for a writer of the same name that does not renew its right; one that lives is EvidenceInUse. */
  static async open(options: RedisStoreOptions): Promise<RedisConnectionStore> {
    const { link, name, who, clock, leaseMs = 15_000, layouts } = options;
    await requireSafeServer(link);
    await link.run(rightsScript, [storeKeys(name).rights], []);
    const token = randomUUID();
    const writer = await Writer.claim({ link, name, who, clock, leaseMs, token, ...(layouts && { layouts }) });
    const store = new RedisConnectionStore(options, writer);
    await store.#readSettings();
    return store;
  }

  /** For people; without user and password. */
  get server(): string {
    return this.#link.name;
  }

  /** How often was saved so far, by whomever. */
  get saves(): number {
    return this.#writer.revision;
  }

  async load(): Promise<StoredEvidence> {
    const keys = this.#keys;
    const meta = await this.#readSettings();
    const [positions, flows, losses, endpoints, rows] = [
      await this.#link.fields(keys.positions),
      await this.#link.fields(keys.flows),
      await this.#link.fields(keys.losses),
      await this.#readEndpoints(),
      await this.#readBuckets(),
    ];
    const recent = await Promise.all(this.#generations.map((generation) => this.#readRecent(generation)));
    const count = [positions, flows, losses].reduce((sum, hash) => sum + Object.keys(hash).length, 0);
    const fields = count + endpoints.size + rows.reduce((sum, { size }) => sum + size, 0);
    const expected = Number(meta['fields'] ?? 0);
    if (fields !== expected) {
      const message = `${expected} parts of the evidence were saved as ${this.#name} and ${fields} are there: the server or somebody else removed some`;
      throw this.#problem('EvidenceUnreadable', message);
    }
    const binMs = this.#binMs;
    const parsed = <Value>(text: string) => this.#parsed<Value>(text);
    return {
      binMs,
      evidence:
        binMs === undefined
          ? []
          : storedParts({
              binMs,
              endpoints,
              buckets: rows,
              flows: Object.values(flows).map((text) => parsed<NodeFlows>(text)),
              losses: Object.values(losses).map((text) => parsed<NodeLosses>(text)),
              parsed,
              keepUnused: this.#retentionMs === undefined,
              onUnused: (ids) => (this.#orphans = ids),
            }),
      positions: new Map(Object.entries(positions)),
      memory: {
        recent: recent.filter((chunk) => chunk !== undefined),
        held: parsed(meta['held'] ?? '[]'),
        observed: parsed(meta['observed'] ?? '{"apiServer":[],"nodes":[]}'),
      },
    };
  }

  async save(changes: GraphDelta, positions: SourcePositions, memory?: IngestMemory): Promise<void> {
    if (this.#lost !== undefined) await this.#beginAnew(this.#lost);
    if (this.#binMs !== undefined && this.#binMs !== changes.binMs) {
      throw new RangeError(`evidence in bins of ${changes.binMs} ms cannot be saved here`);
    }
    const numbers = await this.#numbers.of(changes.endpoints);
    const kept = memory && memoryOperations(this.#keys, memory, this.#generations);
    const settings = {
      binMs: `${changes.binMs}`,
      endpoints: `${this.#numbers.highest}`,
      savedMs: `${this.#clock.now()}`,
    };
    await this.#write([
      ...removeFields(this.#keys.endpoints, this.#orphans),
      ...evidenceOperations(this.#keys, changes, numbers),
      ...positionOperations(this.#keys, positions),
      ...(kept?.operations ?? []),
      ...setFields(this.#keys.meta, Object.entries(settings).flat()),
    ]);
    this.#binMs = changes.binMs;
    this.#orphans = [];
    if (kept) this.#generations = kept.generations;
    await this.#sweep();
  }

  async close(): Promise<void> {
    await this.#writer.release();
    this.#link.close();
  }

  async #write(operations: readonly Operation[]): Promise<void> {
    const { id, token, claim, leaseMs } = this.#writer;
    const revision = this.#writer.revision + 1;
    const { keys, parts } = planSave(operations, 2);
    // what fits into one command needs no second one
    const staged = parts.length === 1 ? [] : parts;
    const inline = parts.length === 1 ? (parts[0] ?? []) : [];
    const stagedKeys = staged.map((_, i) => this.#keys.staged(i));
    for (const [i, part] of staged.entries()) {
      const key = stagedKeys[i] as string;
      await this.#link.run(stageScript, [this.#keys.meta, key], [token, stagedMs, ...part]);
    }
    const answer = await this.#link.run(
      saveScript,
      [this.#keys.meta, this.#keys.writer, ...keys, ...stagedKeys],
      [id, token, claim, revision, leaseMs, staged.length, ...staged.map(({ length }) => length), ...inline],
    );
    switch (answer) {
      case 'saved':
        this.#writer.revision = revision;
        return;
      case 'lost':
        return this.#beginAnew('the server does not have what was saved there');
      case 'taken':
        throw this.#problem('EvidenceInUse', `another controller writes as ${this.#name} now; this one writes no more`);
      case 'staged':
        throw this.#problem('EvidenceUnreachable', 'the server lost a part of a save before it was whole', true);
    }
    throw new Error(`unexpected answer of the server to a save: ${JSON.stringify(answer)}`);
  }

  /** Always rejects: who saves has to know that this save, and those before it, are not there. */
  async #beginAnew(why: string): Promise<never> {
    this.#lost = why;
    await this.#writer.claimAgain();
    this.#numbers = new EndpointNumbers(this.#link, this.#keys.endpoints, this.#writer.endpoints);
    await this.#readSettings();
    this.#orphans = [];
    this.#lost = undefined;
    throw this.#problem('EvidenceLost', `${why}; everything is written there anew`, true);
  }

  async #readSettings(): Promise<Readonly<Record<string, string>>> {
    const meta = await this.#link.fields(this.#keys.meta);
    this.#binMs = meta['binMs'] === undefined ? undefined : Number(meta['binMs']);
    this.#generations = this.#parsed<number[]>(meta['generations'] ?? '[]');
    return meta;
  }

  async #readEndpoints(): Promise<ReadonlyMap<number, EndpointDelta>> {
    const found = new Map<number, EndpointDelta>();
    let cursor = '0';
    do {
      const [next, pairs] = await this.#link.scan(this.#keys.endpoints, cursor, scanCount);
      for (let i = 1; i < pairs.length; i += 2) {
        const [number, endpoint, dnsNames] = this.#parsed<[number, EndpointDelta['endpoint'], string[]]>(
          pairs[i] as string,
        );
        found.set(number, { endpoint, dnsNames });
        this.#numbers.remember(pairs[i - 1] as string, number);
      }
      cursor = next;
    } while (cursor !== '0');
    return found;
  }

  async #readBuckets(): Promise<Bucket[]> {
    const found: Bucket[] = [];
    for (let from = 0; from < buckets; from += readAhead) {
      const read = Array.from({ length: readAhead }, (_, i) => this.#keys.connections(from + i));
      const answers = await Promise.all(read.map((key) => this.#link.runBuffer(readScript, [key])));
      for (const answer of answers as [number, Buffer][]) found.push({ size: answer[0], rows: answer[1] });
    }
    return found;
  }

  async #readRecent(generation: number): Promise<RecentKeyChunk | undefined> {
    const stored = await this.#link.bytes(this.#keys.recent(generation));
    return stored === null ? undefined : { generation, keys: words(stored) };
  }

  /** One part of the connections at a time, so that what it costs does not grow with how much has to go. */
  async #sweep(): Promise<void> {
    if (this.#retentionMs === undefined) return;
    const now = this.#clock.now();
    if (now - this.#sweptMs < sweepEveryMs) return;
    this.#sweptMs = now;
    const key = this.#keys.connections(this.#sweepBucket);
    this.#sweepBucket = (this.#sweepBucket + 1) % buckets;
    await this.#link.run(sweepScript, [this.#keys.meta, key], [this.#writer.token, now - this.#retentionMs]);
  }

  #parsed<Value>(text: string): Value {
    try {
      return JSON.parse(text) as Value;
    } catch (error) {
      throw this.#problem('EvidenceUnreadable', `the evidence of ${this.#name} is damaged: ${String(error)}`);
    }
  }

  #problem(code: ProblemCode, message: string, retryable = false): RedisStoreError {
    return new RedisStoreError(problem(code, message, this.#link.name), { retryable });
  }
}

/** A server that throws away any key when its memory is full would take parts of the evidence, and nobody would know. */
async function requireSafeServer(link: RedisLink): Promise<void> {
  const memory = await link.memoryInfo();
  const policy = /^maxmemory_policy:(allkeys-\S+)/m.exec(memory)?.[1];
  if (policy === undefined || /^maxmemory:0\s/m.test(memory)) return;
  const message = `the server throws away any key when its memory is full (maxmemory-policy ${policy})`;
  throw new RedisStoreError(problem('EvidenceUnwritable', message, link.name), { retryable: false });
}
