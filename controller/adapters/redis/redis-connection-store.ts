import { randomUUID } from 'node:crypto';
import type { GraphDelta } from '../../graph/graph-delta.ts';
import type { Growth } from '../../graph/growth.ts';
import { problem } from '../../model/problem.ts';
import type { ProblemCode } from '../../model/problem-codes.ts';
import type {
  Clock,
  ConnectionStore,
  IngestMemory,
  SourcePosition,
  SourcePositions,
  StoredEvidence,
} from '../../ports.ts';
import { EndpointNumbers } from './endpoint-numbers.ts';
import type { Layouts } from './layout-migrations.ts';
import { buckets, saveField, storeKeys, type StoreKeys } from './redis-keys.ts';
import type { RedisLink } from './redis-link.ts';
import { rightsScript, saveScript, stageScript, sweepScript } from './redis-script.ts';
import { RedisStoreError } from './redis-store-error.ts';
import { readEvidence } from './read-evidence.ts';
import {
  changesOperations,
  evidenceOperations,
  memoryOperations,
  type Operation,
  planSave,
  positionOperations,
  removeEntries,
  removeFields,
  setFields,
} from './save-plan.ts';
import { Writer, type WriterOptions } from './writer.ts';

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
  /** A stream whose entries are removed in the step that saves what was in them. */
  readonly intake?: SavedIntake;
  /** The link is of others too, and stays open when the store is closed. */
  readonly sharesLink?: boolean;
}

/** A stream that is read into the evidence of a store. A position of it, as a source, stands for all that was read so far. */
export interface SavedIntake {
  /** As a source. */
  readonly name: string;
  readonly key: string;
  /** Entries of the stream up to that position, for the step that saves what was in them. */
  idsUpTo(position: SourcePosition): readonly string[];
  /**
   * How far producers are by then, as `<name>/<producer>`: those that moved since the latest save, or all. To be asked for
   * each save, which come in their order.
   */
  positionsUpTo(position: SourcePosition, all: boolean): SourcePositions;
  /** All of it was in a save, and is removed. */
  savedUpTo(position: SourcePosition): void;
}

/** Parts of a save may lie there for so long before the save itself comes. */
const stagedMs = 600_000;
const sweepEveryMs = 60_000;

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
  readonly #intake: SavedIntake | undefined;
  readonly #sharesLink: boolean;
  #numbers: EndpointNumbers;
  #generations: readonly number[] = [];
  #binMs: number | undefined;
  /** Endpoints that only connections had that are forgotten. */
  #orphans: readonly string[] = [];
  /** Nothing was saved yet since the server had lost everything. */
  #isAnew = false;
  /** The server lost evidence, and it has not been said yet. */
  #lost: string | undefined;
  #sweepBucket = 0;
  #sweptMs = 0;

  private constructor(options: RedisStoreOptions, writer: Writer) {
    const { link, name, clock, retentionMs, intake, sharesLink = false } = options;
    this.#link = link;
    this.#name = name;
    this.#keys = storeKeys(name);
    this.#clock = clock;
    this.#retentionMs = retentionMs;
    this.#writer = writer;
    this.#intake = intake;
    this.#sharesLink = sharesLink;
    this.#numbers = new EndpointNumbers(link, this.#keys.endpoints, writer.endpoints);
  }

  /** Waits for a writer of the same name that does not renew its right; one that lives is EvidenceInUse. */
  static async open(options: RedisStoreOptions): Promise<RedisConnectionStore> {
    await prepare(options);
    return RedisConnectionStore.#opened(options, await Writer.claim(writerOptions(options)));
  }

  /** Undefined: another writer has the right now. */
  static async openFree(options: RedisStoreOptions): Promise<RedisConnectionStore | undefined> {
    await prepare(options);
    const writer = await Writer.claimFree(writerOptions(options));
    return writer && RedisConnectionStore.#opened(options, writer);
  }

  static async #opened(options: RedisStoreOptions, writer: Writer): Promise<RedisConnectionStore> {
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
    const { name, retentionMs } = { name: this.#name, retentionMs: this.#retentionMs };
    await this.#readSettings();
    const stored = await readEvidence({
      link: this.#link,
      name,
      keepUnused: retentionMs === undefined,
      onUnused: (ids) => (this.#orphans = ids),
      onNumber: (id, number) => this.#numbers.remember(id, number),
    });
    // nobody else saves, unless the right to has gone
    if (stored === undefined) throw this.#problem('EvidenceInUse', `another controller writes as ${name} now`, true);
    return stored;
  }

  async save(changes: GraphDelta, positions: SourcePositions, memory?: IngestMemory, growth?: Growth): Promise<void> {
    if (this.#lost !== undefined) await this.#beginAnew(this.#lost);
    if (this.#binMs !== undefined && this.#binMs !== changes.binMs) {
      throw new RangeError(`evidence in bins of ${changes.binMs} ms cannot be saved here`);
    }
    const numbers = await this.#numbers.of(changes.endpoints);
    const kept = memory && memoryOperations(this.#keys, memory, this.#generations);
    const revision = this.#writer.revision + 1;
    const settings = {
      [saveField(revision)]: randomUUID(),
      binMs: `${changes.binMs}`,
      endpoints: `${this.#numbers.highest}`,
      savedMs: `${this.#clock.now()}`,
    };
    await this.#write([
      ...removeFields(this.#keys.endpoints, this.#orphans),
      ...evidenceOperations(this.#keys, changes, numbers),
      ...positionOperations(this.#keys, this.#ofOtherSources(positions)),
      ...(kept?.operations ?? []),
      ...this.#intakeOperations(positions),
      ...(growth === undefined ? [] : changesOperations(this.#keys, revision, growth)),
      ...setFields(this.#keys.meta, Object.entries(settings).flat()),
    ]);
    this.#binMs = changes.binMs;
    this.#orphans = [];
    if (kept) this.#generations = kept.generations;
    this.#isAnew = false;
    const read = this.#intake && positions.get(this.#intake.name);
    if (read !== undefined) this.#intake?.savedUpTo(read);
    await this.#sweep();
  }

  async close(): Promise<void> {
    await this.#writer.release();
    if (!this.#sharesLink) this.#link.close();
  }

  #ofOtherSources(positions: SourcePositions): SourcePositions {
    const { name } = this.#intake ?? {};
    if (name === undefined) return positions;
    return new Map([...positions].filter(([source]) => source !== name && !source.startsWith(`${name}/`)));
  }

  /** Merged and taken out of the stream is one step: what is in a save is never read from the stream again. */
  #intakeOperations(positions: SourcePositions): readonly Operation[] {
    if (this.#intake === undefined) return [];
    const { name, key } = this.#intake;
    const read = positions.get(name);
    if (read === undefined && !this.#isAnew) return [];
    return [
      ...positionOperations(this.#keys, this.#intake.positionsUpTo(read ?? '0', this.#isAnew)),
      ...(read === undefined ? [] : removeEntries(key, this.#intake.idsUpTo(read))),
    ];
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
    await this.#writer.claimAfterLoss();
    this.#numbers = new EndpointNumbers(this.#link, this.#keys.endpoints, this.#writer.endpoints);
    await this.#readSettings();
    this.#orphans = [];
    this.#isAnew = true;
    this.#lost = undefined;
    throw this.#problem('EvidenceLost', `${why}; everything is written there anew`, true);
  }

  async #readSettings(): Promise<void> {
    const meta = await this.#link.fields(this.#keys.meta);
    this.#binMs = meta['binMs'] === undefined ? undefined : Number(meta['binMs']);
    this.#generations = this.#parsed<number[]>(meta['generations'] ?? '[]');
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

function writerOptions({ link, name, who, clock, leaseMs = 15_000, layouts }: RedisStoreOptions): WriterOptions {
  return { link, name, who, clock, leaseMs, token: randomUUID(), ...(layouts && { layouts }) };
}

/** Rejects where the server is not fit for evidence, or we may not do there what we need to. */
async function prepare({ link, name }: RedisStoreOptions): Promise<void> {
  await requireSafeServer(link);
  await link.run(rightsScript, [storeKeys(name).rights], []);
}

/** A server that throws away any key when its memory is full would take parts of the evidence, and nobody would know. */
async function requireSafeServer(link: RedisLink): Promise<void> {
  const memory = await link.memoryInfo();
  const policy = /^maxmemory_policy:(allkeys-\S+)/m.exec(memory)?.[1];
  if (policy === undefined || /^maxmemory:0\s/m.test(memory)) return;
  const message = `the server throws away any key when its memory is full (maxmemory-policy ${policy})`;
  throw new RedisStoreError(problem('EvidenceUnwritable', message, link.name), { retryable: false });
}
