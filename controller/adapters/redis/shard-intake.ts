import type { Flow, FlowLoss, ObservedTime } from '../../model/flow.ts';
import type { Clock, FlowBatch, FlowSource, RejectedRecord, SourcePosition, SourcePositions } from '../../ports.ts';
import { AppliedNumbers } from './applied-numbers.ts';
import { AddressPeers, decodePart, type ShardPart } from './shard-part.ts';
import type { RedisLink, StreamEntry } from './redis-link.ts';
import type { SavedIntake } from './redis-connection-store.ts';
import { script } from './redis-script.ts';
import { batchesOf, ProducerNames, type StreamBatch } from './shard-stream.ts';
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
const mostRead = 16;
const intakeName = 'intake';

/** KEYS: intake. ARGV: an id. Answers with the ids of the first entry, and of the first one after that id, or nothing. */
const peekScript = script(`
local function idOf(from)
  local entry = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 1)[1]
  return entry and entry[1] or ''
end
return {idOf('-'), idOf(ARGV[1])}
`);

/** Entries that were read at once. */
interface UnsavedRead {
  readonly read: number;
  readonly readMs: number;
  readonly ids: readonly string[];
  /** Of the batches that were delivered. */
  readonly producers: readonly string[];
  readonly numbers: readonly number[];
}

/**
 * What was appended to the stream of one shard, read by the one who holds the shard. An entry stays in the stream until it is
 * saved, so that whoever takes the shard over reads it again; entries that come twice, under whatever id, are told by their
 * producer and number and are not delivered again.
 */
export class ShardIntake implements FlowSource, SavedIntake {
  readonly name = intakeName;
  readonly key: string;
  readonly #link: RedisLink;
  readonly #clock: Clock;
  readonly #pollMs: number;
  readonly #addresses = new AddressPeers();
  readonly #names = new ProducerNames();
  /** Of all that was read. */
  #applied = new AppliedNumbers(new Map());
  /** Of what was in saves so far, up to that read. */
  #counted = new AppliedNumbers(new Map());
  #countedReads = 0;
  /** Producers whose position, as it is in `counted`, is not saved. */
  readonly #moved = new Set<string>();
  /** The id of the last entry that was read. */
  #after = '';
  #reads = 0;
  /** What was read and is not removed, in its order. */
  #unsaved: UnsavedRead[] = [];

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
    const saved = new Map(own.map(([name, text]) => [name.slice(prefix.length), text]));
    this.#applied = new AppliedNumbers(saved);
    this.#counted = new AppliedNumbers(saved);
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

  idsUpTo(position: SourcePosition): string[] {
    return this.#unsaved.filter(({ read }) => read <= Number(position)).flatMap(({ ids }) => ids);
  }

  positionsUpTo(position: SourcePosition, all: boolean): SourcePositions {
    for (const { read, readMs, producers, numbers } of this.#unsaved) {
      if (read > Number(position)) break;
      if (read <= this.#countedReads) continue;
      this.#countedReads = read;
      for (const [i, producer] of producers.entries()) {
        this.#counted.take(producer, numbers[i] as number, readMs);
        this.#moved.add(producer);
      }
      for (const producer of this.#counted.forget(readMs)) this.#moved.add(producer);
    }
    const wanted = all ? new Set([...this.#counted.producers, ...this.#moved]) : this.#moved;
    return new Map([...wanted].map((name) => [`${this.name}/${name}`, this.#counted.position(name)]));
  }

  savedUpTo(position: SourcePosition): void {
    this.#unsaved = this.#unsaved.filter(({ read }) => read > Number(position));
    this.#moved.clear();
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
    const producers: string[] = [];
    const numbers: number[] = [];
    let skipped = 0;
    for (const [id, fields] of entries) {
      for (const batch of batchesOf(fields, this.#names)) {
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
        producers.push(producer);
        numbers.push(number);
        for (const flow of part.flows) flows.push(flow);
        losses.push(...part.losses);
        observed.push(...(part.observed ?? []));
      }
    }
    this.#applied.forget(now);
    this.#unsaved.push({ read: ++this.#reads, readMs: now, ids: entries.map(([id]) => id), producers, numbers });
    const records = flows.length + losses.length + observed.length + rejected.length;
    return { position: `${this.#reads}`, flows, losses, observed, rejected, records, skipped };
  }

  /** Undefined: of another version, or damaged. */
  #part(text: string): ShardPart | undefined {
    try {
      return decodePart(text, this.#addresses);
    } catch {
      return undefined;
    }
  }
}
