import type { Flow, FlowLoss, ObservedTime } from '../../model/flow.ts';
import type { Clock, FlowBatch, FlowSource, RejectedRecord, SourcePosition, SourcePositions } from '../../ports.ts';
import { AppliedNumbers } from './applied-numbers.ts';
import { AddressPeers, decodeEntry, type ShardPart } from './flow-entry.ts';
import type { RedisLink, StreamEntry } from './redis-link.ts';
import { script } from './redis-script.ts';
import { batchesOf, type StreamBatch } from './shard-stream.ts';
import { shardKeys } from './shards.ts';

export interface ShardIntakeOptions {
  readonly link: RedisLink;
  /** Of the shard. */
  readonly storeName: string;
  readonly clock: Clock;
  /** @default 100 */
  readonly pollMs?: number;
}

/** So many entries are read at once, of some kilobytes each where there is much to read. */
const mostRead = 24;
const intakeName = 'intake';

/** KEYS: intake. ARGV: an id. Answers with the ids of the first entry, and of the first one after that id, or nothing. */
const peekScript = script(`
local function idOf(from)
  local entry = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 1)[1]
  return entry and entry[1] or ''
end
return {idOf('-'), idOf(ARGV[1])}
`);

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
    let ahead: Promise<readonly StreamEntry[]> | undefined;
    while (!signal.aborted) {
      const entries = await (ahead ?? this.#read());
      ahead = undefined;
      const isMore = entries.length === mostRead;
      if (entries.length > 0) {
        this.#after = entries.at(-1)?.[0] ?? '';
        // the server answers while these are counted
        if (isMore) ahead = this.#read();
        ahead?.catch(() => undefined);
        yield this.#batch(entries);
      } else if (await this.#isBehind()) this.#after = '';
      if (!isMore) await this.#clock.sleep(this.#pollMs, signal).catch(() => undefined);
    }
  }

  #read(): Promise<readonly StreamEntry[]> {
    return this.#link.entries(this.key, this.#from, mostRead);
  }

  get #from(): string {
    return this.#after === '' ? '-' : `(${this.#after}`;
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
  async #isBehind(): Promise<boolean> {
    const [first, next] = (await this.#link.run(peekScript, [this.key], [this.#from])) as [string, string];
    return first !== '' && next === '' && !this.#unsaved.some(({ ids }) => ids.includes(first));
  }

  #batch(entries: readonly StreamEntry[]): FlowBatch {
    const now = this.#clock.now();
    const flows: Flow[] = [];
    const losses: FlowLoss[] = [];
    const observed: ObservedTime[] = [];
    const rejected: RejectedRecord[] = [];
    const producers = new Map<string, SourcePosition | undefined>();
    let skipped = 0;
    for (const [id, fields] of entries) {
      for (const batch of batchesOf(fields)) {
        const part = batch && this.#part(batch.text);
        if (part === undefined) {
          rejected.push({ where: `${this.key} ${id}`, reason: 'a batch that this nanoseg does not know how to read' });
          losses.push({ timeMs: now, source: 'nanoseg', node: '', events: undefined, kind: 'lost' });
          continue;
        }
        const { producer, number } = batch as StreamBatch;
        if (!this.#applied.take(producer, number, now)) {
          skipped++;
          continue;
        }
        producers.set(producer, undefined);
        for (const flow of part.flows) flows.push(flow);
        losses.push(...part.losses);
        observed.push(...(part.observed ?? []));
      }
    }
    for (const producer of producers.keys()) producers.set(producer, this.#applied.position(producer));
    for (const producer of this.#applied.forget(now)) producers.set(producer, undefined);
    this.#unsaved.push({ read: ++this.#reads, ids: entries.map(([id]) => id) });
    const records = flows.length + losses.length + observed.length + rejected.length;
    return { position: `${this.#reads}`, producers, flows, losses, observed, rejected, records, skipped };
  }

  /** Undefined: of another version, or damaged. */
  #part(text: string): ShardPart | undefined {
    try {
      return decodeEntry(text, this.#addresses);
    } catch {
      return undefined;
    }
  }
}
