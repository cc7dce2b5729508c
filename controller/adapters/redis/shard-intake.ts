import type { Flow, FlowLoss, ObservedTime } from '../../model/flow.ts';
import type { Clock, FlowBatch, FlowSource, RejectedRecord, SourcePosition, SourcePositions } from '../../ports.ts';
import { AppliedNumbers } from './applied-numbers.ts';
import { AddressPeers, decodeEntry, type ShardPart } from './flow-entry.ts';
import type { RedisLink } from './redis-link.ts';
import { script } from './redis-script.ts';
import { shardKeys } from './shards.ts';

export interface ShardIntakeOptions {
  readonly link: RedisLink;
  /** Of the shard. */
  readonly storeName: string;
  readonly clock: Clock;
  /** @default 100 */
  readonly pollMs?: number;
}

/** So many entries are read at once. */
const mostRead = 256;
const intakeName = 'intake';

/**
 * KEYS: intake. ARGV: the id to begin at, how many. Answers with the id of the first entry that is there, and the entries as
 * one text: a line for the id, then one for each field and value, then an empty one. Nothing that we append has a line feed.
 */
const readScript = script(`
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
local entries = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
local texts = {}
for i, entry in ipairs(entries) do texts[i] = entry[1] .. '\\n' .. table.concat(entry[2], '\\n') .. '\\n' end
return {first[1] and first[1][1] or '', table.concat(texts, '\\n')}
`);

interface Reading {
  /** Id of the first entry that is there, or empty. */
  readonly first: string;
  readonly entries: readonly ReadEntry[];
}

interface ReadEntry {
  readonly id: string;
  readonly fields: readonly string[];
}

/** One text is read many times faster than the answer's own form, with a part for each field. */
function entriesOf(text: string): ReadEntry[] {
  if (text === '') return [];
  return text.split('\n\n').map((entry) => {
    const [id = '', ...fields] = entry.trimEnd().split('\n');
    return { id, fields };
  });
}

/**
 * What was appended to the stream of one shard, read by the one who holds the shard. An entry stays in the stream until it is
 * saved, so that whoever takes the shard over reads it again; entries that come twice, under whatever id, are told by their
 * producer and number and are not delivered again.
 */
export class ShardIntake implements FlowSource {
  readonly name = intakeName;
  readonly key: string;
  readonly #link: RedisLink;
  readonly #clock: Clock;
  readonly #pollMs: number;
  readonly #addresses = new AddressPeers();
  #applied = new AppliedNumbers(new Map());
  /** The id of the last entry that was read. */
  #after = '';
  #reads = 0;
  /** Entries that were read and are not removed, by the read. */
  #unsaved: { readonly read: number; readonly ids: readonly string[] }[] = [];

  constructor({ link, storeName, clock, pollMs = 100 }: ShardIntakeOptions) {
    this.#link = link;
    this.key = shardKeys(storeName).intake;
    this.#clock = clock;
    this.#pollMs = pollMs;
  }

  /** Before the first batch; `positions` are those of the store. */
  begin(positions: SourcePositions): void {
    const prefix = `${this.name}/`;
    const own = [...positions].filter(([name]) => name.startsWith(prefix));
    this.#applied = new AppliedNumbers(new Map(own.map(([name, text]) => [name.slice(prefix.length), text])));
  }

  progress() {
    return { doneBytes: 0, totalBytes: undefined };
  }

  /** Rejects with RedisStoreError. */
  async *batches(signal: AbortSignal): AsyncGenerator<FlowBatch> {
    let ahead: Promise<Reading> | undefined;
    while (!signal.aborted) {
      const { first, entries } = await (ahead ?? this.#read());
      ahead = undefined;
      const isMore = entries.length === mostRead;
      if (entries.length > 0) {
        this.#after = entries.at(-1)?.id ?? '';
        // the server answers while these are counted
        if (isMore) ahead = this.#read();
        ahead?.catch(() => undefined);
        yield this.#batch(entries);
      } else if (this.#isNew(first)) this.#after = '';
      if (!isMore) await this.#clock.sleep(this.#pollMs, signal).catch(() => undefined);
    }
  }

  async #read(): Promise<Reading> {
    const from = this.#after === '' ? '-' : `(${this.#after}`;
    const [first, text] = (await this.#link.run(readScript, [this.key], [from, mostRead])) as [string, string];
    return { first, entries: entriesOf(text) };
  }

  /** Entries of the batches up to that position, for the step that saves what was in them. */
  idsUpTo(position: SourcePosition): string[] {
    return this.#unsaved.filter(({ read }) => read <= Number(position)).flatMap(({ ids }) => ids);
  }

  /** They are gone for good. */
  removedUpTo(position: SourcePosition): void {
    this.#unsaved = this.#unsaved.filter(({ read }) => read > Number(position));
  }

  /** A server that took over may give ids that are below those we have read: what has one was never read. */
  #isNew(first: string): boolean {
    return first !== '' && !this.#unsaved.some(({ ids }) => ids.includes(first));
  }

  #batch(entries: readonly ReadEntry[]): FlowBatch {
    const now = this.#clock.now();
    const flows: Flow[] = [];
    const losses: FlowLoss[] = [];
    const observed: ObservedTime[] = [];
    const rejected: RejectedRecord[] = [];
    const producers = new Map<string, SourcePosition | undefined>();
    let skipped = 0;
    for (const { id, fields } of entries) {
      const entry = this.#entry(fields);
      if (entry === undefined) {
        rejected.push({ where: `${this.key} ${id}`, reason: 'an entry that this nanoseg does not know how to read' });
        losses.push({ timeMs: now, source: 'nanoseg', node: '', events: undefined, kind: 'lost' });
        continue;
      }
      if (!this.#applied.take(entry.producer, entry.number, now)) {
        skipped++;
        continue;
      }
      producers.set(entry.producer, undefined);
      for (const flow of entry.part.flows) flows.push(flow);
      losses.push(...entry.part.losses);
      observed.push(...(entry.part.observed ?? []));
    }
    for (const producer of producers.keys()) producers.set(producer, this.#applied.position(producer));
    for (const producer of this.#applied.forget(now)) producers.set(producer, undefined);
    this.#unsaved.push({ read: ++this.#reads, ids: entries.map(({ id }) => id) });
    const records = flows.length + losses.length + observed.length + rejected.length;
    return { position: `${this.#reads}`, producers, flows, losses, observed, rejected, records, skipped };
  }

  /** Undefined: of another version, or damaged. */
  #entry(
    fields: readonly string[],
  ): { readonly producer: string; readonly number: number; readonly part: ShardPart } | undefined {
    const [p, producer, n, number, f, text] = fields;
    if (p !== 'p' || n !== 'n' || f !== 'f' || producer === undefined || text === undefined) return undefined;
    try {
      return { producer: JSON.parse(producer), number: Number(number), part: decodeEntry(text, this.#addresses) };
    } catch {
      return undefined;
    }
  }
}
