import { z } from 'zod';
import { ClusterError } from '../../model/cluster-error.ts';
import type { KubernetesObject, ObjectMeta } from '../../model/kubernetes-object.ts';
import type { AuditEntry, AuditLog, AuditRecord, AuditVerdict, Clock, ObjectStore } from '../../ports.ts';
import { GroupCommit } from './group-commit.ts';
import {
  AuditDamaged,
  type ChainHead,
  type ChainLine,
  chained,
  emptyChain,
  endOf,
  entryAfter,
  lineOf,
  provedEntries,
  recordId,
  verdictOf,
} from './hash-chain.ts';
import { RecentRecords } from './recent-records.ts';

interface ConfigMap extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>>;
}

const headName = 'nanoseg-audit-head';
const partName = (part: number) => `nanoseg-audit-${part}`;
const linesKey = 'entries.jsonl';
const labels = { 'app.kubernetes.io/managed-by': 'nanoseg', 'app.kubernetes.io/component': 'audit' };

/** Where the chain ends, at least: a part may hold more when a controller died between its two writes. */
interface StoredHead extends ChainHead {
  readonly part: number;
}

const headSchema = z.strictObject({
  sequence: z.string().regex(/^(?:0|[1-9]\d{0,14})$/),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  part: z.string().regex(/^(?:0|[1-9]\d{0,8})$/),
});

/** The end of the chain with the objects that hold it, as the server last gave them. */
interface ChainEnd {
  readonly head: ConfigMap;
  /** Where the next entry goes. */
  readonly part: number;
  readonly there: ConfigMap | undefined;
  readonly end: ChainHead;
  /** Where the last entry is. */
  readonly partOfEnd: number;
  /** Ids of the records that are there, as far back as an append may be repeated. */
  readonly written: ReadonlySet<string>;
}

export interface ConfigMapAuditLogOptions {
  readonly store: ObjectStore;
  /** nanoseg's own. */
  readonly namespace: string;
  readonly clock: Clock;
  /** In [0, 1): spreads the attempts of controllers that are in each other's way. */
  readonly random: () => number;
  /** From this length on, in UTF-16 units, a ConfigMap is full: each append rewrites one, and the server takes 1 MiB. @default 131072 */
  readonly fullAt?: number;
  /** Throws unless this process may write at this moment: asked before every write. @default it may */
  readonly assertMayWrite?: () => void;
}

const mostAttempts = 20;
const firstPauseMs = 20;
const longestPauseMs = 2_000;

/**
 * The audit log of a cluster: the chain of the file in ConfigMaps nanoseg-audit-0, -1, … with its end in nanoseg-audit-head.
 * Each write names the version that it follows, so that two controllers cannot fork the chain, and an append whose reply
 * was lost finds its own entry when it looks again.
 */
export class ConfigMapAuditLog implements AuditLog {
  readonly #store: ObjectStore;
  readonly #namespace: string;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #fullAt: number;
  readonly #assertMayWrite: () => void;
  readonly #commits = new GroupCommit<AuditRecord>((records) => this.#appendAll(records));
  readonly #recent = new RecentRecords();
  /** The part that an append began in whose end is not known. */
  #unsureFrom: number | undefined;
  /** How this controller left the chain: nothing has to be read while nobody else writes. */
  #known: ChainEnd | undefined;
  /** The records of a part that is full, by id: it does not change any more. */
  #full: { readonly part: number; readonly ids: ReadonlySet<string> } | undefined;

  constructor(options: ConfigMapAuditLogOptions) {
    const { store, namespace, clock, random, fullAt = 131_072, assertMayWrite = () => undefined } = options;
    this.#store = store;
    this.#namespace = namespace;
    this.#clock = clock;
    this.#random = random;
    this.#fullAt = fullAt;
    this.#assertMayWrite = assertMayWrite;
  }

  append(record: AuditRecord): Promise<void> {
    return this.#commits.add(record);
  }

  async *entries(): AsyncIterable<AuditEntry> {
    const head = (await this.#readHead())?.value;
    if (head !== undefined) yield* provedEntries(this.#lines(head), head, headName);
    else await this.#refuseWithoutHead();
  }

  verify(): Promise<AuditVerdict> {
    return verdictOf(endOf(this.entries()));
  }

  async #appendAll(records: readonly AuditRecord[]): Promise<void> {
    for (const some of inPortions(records, this.#fullAt)) await this.#appendSome(some);
  }

  async #appendSome(records: readonly AuditRecord[]): Promise<void> {
    const signal = new AbortController().signal;
    for (let attempt = 1, pauseMs = firstPauseMs; ; attempt++, pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      // who may not write does not try again
      this.#assertMayWrite();
      try {
        await this.#tryAppend(records);
        this.#unsureFrom = undefined;
        return;
      } catch (error) {
        const passing = error instanceof ClusterError && (error.retryable || isInTheWay(error));
        if (!passing || attempt === mostAttempts) throw error;
        const asked = error.retryAfterMs ?? 0;
        await this.#clock.sleep(Math.max(asked, pauseMs * (0.5 + this.#random())), signal);
      }
    }
  }

  async #tryAppend(records: readonly AuditRecord[]): Promise<void> {
    const known = this.#known;
    this.#known = undefined;
    if (known !== undefined) {
      this.#unsureFrom ??= known.partOfEnd;
      try {
        await this.#appendTo(known, records);
        return;
      } catch (error) {
        // somebody else has written since
        if (!isInTheWay(error)) throw error;
      }
    }
    await this.#appendTo(await this.#readEnd(), records);
  }

  async #appendTo(chain: ChainEnd, records: readonly AuditRecord[]): Promise<void> {
    const { part, written } = chain;
    let { end, partOfEnd } = chain;
    const fresh = new Map<string, AuditRecord>();
    for (const record of records) {
      const id = recordId(record);
      if (!written.has(id) && !this.#recent.has(record)) fresh.set(id, record);
    }
    let text = '';
    for (const record of fresh.values()) {
      const entry: AuditEntry = chained(record, end);
      text += `${lineOf(entry)}\n`;
      end = { sequence: entry.sequence, hash: entry.hash };
    }
    let { there } = chain;
    if (text !== '') {
      there = await this.#writePart(part, there, text);
      for (const record of fresh.values()) this.#recent.add(record);
      partOfEnd = part;
    }
    const head = await this.#moveHead(chain.head, { ...end, part: partOfEnd });
    const isFull = there !== undefined && textOf(there).length >= this.#fullAt;
    if (!isFull) this.#known = { ...chain, head, end, there, partOfEnd };
  }

  /** Where the chain goes on. Anything may have happened since the attempt before. */
  async #readEnd(): Promise<ChainEnd> {
    const stored = (await this.#readHead()) ?? (await this.#createHead());
    // an attempt before may have been written, and others may have filled the part since
    this.#unsureFrom ??= stored.value.part;
    let part = this.#unsureFrom;
    const written = new Set(await this.#idsOfFullPart(part - 1));
    let there = await this.#readPart(part);
    let end = this.#endOfPart(there, part, undefined, stored.value, written);
    let partOfEnd = part;
    // full by what is in it, and not by what would come: so that all who look agree
    while (there !== undefined && textOf(there).length >= this.#fullAt) {
      partOfEnd = part++;
      there = await this.#readPart(part);
      end = this.#endOfPart(there, part, end, stored.value, written);
    }
    if (there !== undefined) partOfEnd = part;
    if (end.sequence < stored.value.sequence) throw new AuditDamaged(headName, 'entries at the end are missing');
    return { head: stored.object, part, there, end, partOfEnd, written };
  }

  /** A controller that was killed may have recorded, as the last thing in a part, what the next one is about to record. */
  async #idsOfFullPart(part: number): Promise<ReadonlySet<string>> {
    if (part < 0) return new Set();
    if (this.#full?.part !== part) {
      const ids = new Set<string>();
      for (const { text, where } of linesOf(await this.#readPart(part), part)) {
        const entry = entryAfter(startOf(text, where), text);
        if (typeof entry === 'string') throw new AuditDamaged(where, entry);
        ids.add(recordId(entry));
      }
      this.#full = { part, ids };
    }
    return this.#full.ids;
  }

  /** Checks the lines of one part, and notes their records. */
  #endOfPart(
    there: ConfigMap | undefined,
    part: number,
    before: ChainHead | undefined,
    head: StoredHead,
    written: Set<string>,
  ): ChainHead {
    let end = before;
    for (const { text, where } of linesOf(there, part)) {
      const entry = entryAfter(end ?? (part === 0 ? emptyChain : startOf(text, where)), text);
      if (typeof entry === 'string') throw new AuditDamaged(where, entry);
      if (entry.sequence === head.sequence && entry.hash !== head.hash) {
        throw new AuditDamaged(where, `entry ${entry.sequence} is not the one that was written`);
      }
      written.add(recordId(entry));
      end = entry;
    }
    if (end !== undefined) return { sequence: end.sequence, hash: end.hash };
    if (head.sequence === 0) return emptyChain;
    // the head names the part that the last entry is in
    throw new AuditDamaged(partName(part), 'its entries are missing');
  }

  async #writePart(part: number, there: ConfigMap | undefined, text: string): Promise<ConfigMap> {
    this.#assertMayWrite();
    return there === undefined
      ? this.#store.create<ConfigMap>(this.#configMap(partName(part), { [linesKey]: text }))
      : this.#store.update<ConfigMap>({ ...there, data: { ...there.data, [linesKey]: textOf(there) + text } });
  }

  /** A Conflict means that somebody else has moved it, perhaps not as far. */
  async #moveHead(object: ConfigMap, head: StoredHead): Promise<ConfigMap> {
    if (object.data?.['sequence'] === String(head.sequence)) return object;
    this.#assertMayWrite();
    return this.#store.update<ConfigMap>({ ...object, data: headData(head) });
  }

  async #createHead(): Promise<{ readonly value: StoredHead; readonly object: ConfigMap }> {
    await this.#refuseWithoutHead();
    const value = { ...emptyChain, part: 0 };
    this.#assertMayWrite();
    return { value, object: await this.#store.create<ConfigMap>(this.#configMap(headName, headData(value))) };
  }

  /** Somebody may be making both at this moment: the head comes first. */
  async #refuseWithoutHead(): Promise<void> {
    if ((await this.#readPart(0)) === undefined || (await this.#readHead()) !== undefined) return;
    throw new AuditDamaged(headName, 'the ConfigMap is missing, so that a cut could not be seen');
  }

  async #readHead(): Promise<{ readonly value: StoredHead; readonly object: ConfigMap } | undefined> {
    const object = await this.#store.get<ConfigMap>({ kind: 'ConfigMap', namespace: this.#namespace, name: headName });
    if (object === undefined) return undefined;
    const parsed = headSchema.safeParse(object.data);
    if (!parsed.success) throw new AuditDamaged(headName, 'it is not as it was written');
    const { sequence, hash, part } = parsed.data;
    return { value: { sequence: Number(sequence), hash, part: Number(part) }, object };
  }

  #readPart(part: number): Promise<ConfigMap | undefined> {
    return this.#store.get<ConfigMap>({ kind: 'ConfigMap', namespace: this.#namespace, name: partName(part) });
  }

  async *#lines(head: StoredHead): AsyncIterableIterator<ChainLine> {
    for (let part = 0; ; part++) {
      const there = await this.#readPart(part);
      if (there === undefined) {
        if (part < head.part) throw new AuditDamaged(partName(part), 'the ConfigMap is missing');
        return;
      }
      yield* linesOf(there, part);
    }
  }

  #configMap(name: string, data: Readonly<Record<string, string>>): ConfigMap {
    const metadata: ObjectMeta = { name, namespace: this.#namespace, labels };
    return { apiVersion: 'v1', kind: 'ConfigMap', metadata, data };
  }
}

function isInTheWay(error: unknown): boolean {
  return error instanceof ClusterError && ['Conflict', 'AlreadyExists'].includes(error.code);
}

/** One ConfigMap holds so much, and what is in it already. */
function inPortions(records: readonly AuditRecord[], most: number): AuditRecord[][] {
  const portions: AuditRecord[][] = [];
  let room = 0;
  for (const record of records) {
    if (room <= 0) {
      portions.push([]);
      room = most;
    }
    portions.at(-1)?.push(record);
    room -= lineOf(chained(record, emptyChain)).length;
  }
  return portions;
}

function headData({ sequence, hash, part }: StoredHead): Readonly<Record<string, string>> {
  return { sequence: String(sequence), hash, part: String(part) };
}

function textOf(part: ConfigMap): string {
  return part.data?.[linesKey] ?? '';
}

/** What is behind the last line break counts as a line too: nothing is written by halves here. */
function linesOf(there: ConfigMap | undefined, part: number): ChainLine[] {
  const lines = (there === undefined ? '' : textOf(there)).split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.map((text, i) => ({ text, where: `${partName(part)}:${i + 1}` }));
}

/** Of a part in the middle of the chain, what its first line says to follow: `verify` proves that. */
function startOf(text: string, where: string): ChainHead {
  const found = /^\{"sequence":(\d{1,15}),.*"previous":"([0-9a-f]{64})","hash":"[0-9a-f]{64}"\}$/.exec(text);
  if (!found)
    throw new AuditDamaged(where, 'the line is no entry of an audit log: it was edited, or is not from nanoseg');
  return { sequence: Number(found[1]) - 1, hash: found[2] ?? '' };
}
