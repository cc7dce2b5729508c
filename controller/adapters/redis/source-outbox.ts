import { createHash, randomUUID } from 'node:crypto';
import { problem } from '../../model/problem.ts';
import type { SourcePosition } from '../../ports.ts';
import type { AppendedBatch } from './flow-appender.ts';
import { decodePart, encodePart, type ShardPart } from './shard-part.ts';
import type { RedisLink } from './redis-link.ts';
import { script } from './redis-script.ts';
import { RedisStoreError } from './redis-store-error.ts';
import type { Shards } from './shards.ts';

export interface SourceOutboxOptions {
  readonly link: RedisLink;
  readonly shards: Shards;
  /** Name of the source, the same for all who read it. */
  readonly source: string;
  /** For people. */
  readonly who: string;
  /** Who holds it and is not heard of for so long has ended. */
  readonly leaseMs: number;
}

interface OutboxKeys {
  /** A hash: who writes, the latest batch, and where the source goes on after it. */
  readonly outbox: string;
  /** The token of whoever reads the source now; it expires with its owner. */
  readonly holder: string;
}

/**
 * KEYS: outbox, holder. ARGV: our token, for how long, who we are. Answers with nothing while somebody else holds it, or
 * with the latest batch: producer, number, position, text; each empty where there is none.
 */
const claimScript = script(`
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then return {} end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
redis.call('HSET', KEYS[1], 'writer', ARGV[1], 'who', ARGV[3])
local found = redis.call('HMGET', KEYS[1], 'producer', 'number', 'position', 'batch')
for i = 1, 4 do found[i] = found[i] or '' end
return found
`);

/** KEYS: outbox, holder. ARGV: our token, for how long. Answers with 0 when somebody else writes there now. */
const renewScript = script(`
if redis.call('HGET', KEYS[1], 'writer') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 1
`);

/** KEYS: outbox, holder. ARGV: our token, for how long, fields and values. Answers with 0 when somebody else writes there now. */
const putScript = script(`
if redis.call('HGET', KEYS[1], 'writer') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 1
`);

/** KEYS: holder. ARGV: our token. */
const releaseScript = script(`
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
`);

/**
 * The latest batch of a source that is pulled, with where the source goes on after it, for whoever reads the source next: it
 * appends the batch again, which counts nothing twice, and goes on from there. One process at a time reads the source. Each
 * holder numbers its batches under a name of its own, so that a number is never given twice. Rejects with RedisStoreError.
 */
export class SourceOutbox {
  readonly #options: SourceOutboxOptions;
  readonly #keys: OutboxKeys;
  readonly #token: string;
  readonly #producer: string;
  /** What the holder before us left: to be appended before anything else. */
  readonly left: AppendedBatch | undefined;
  #position: SourcePosition | undefined;
  #number = 0;

  private constructor(options: SourceOutboxOptions, token: string, [producer, number, position, text]: Found) {
    this.#options = options;
    this.#keys = outboxKeys(options);
    this.#token = token;
    this.#producer = `${options.source} read by ${token}`;
    this.#position = position === '' ? undefined : position;
    this.left = text === '' ? undefined : { producer, number: Number(number), ...this.#decoded(text) };
  }

  /** Undefined while somebody else reads the source. */
  static async claim(options: SourceOutboxOptions): Promise<SourceOutbox | undefined> {
    const token = randomUUID();
    const found = await claimed(options, token);
    return found && new SourceOutbox(options, token, found);
  }

  /** Where the source goes on. */
  get position(): SourcePosition | undefined {
    return this.#position;
  }

  /**
   * Puts a batch down before it is appended, and answers with it under its number; undefined when somebody else reads the
   * source now. A batch without a position leaves the source where it was.
   */
  async put(part: ShardPart, position: SourcePosition | undefined): Promise<AppendedBatch | undefined> {
    const number = this.#number + 1;
    const fields = Object.entries({
      producer: this.#producer,
      number,
      position: position ?? this.#position ?? '',
      batch: encodePart(part),
    }).flat();
    if (!(await this.#write(fields)) && !((await this.#isOurs()) && (await this.#write(fields)))) return undefined;
    this.#number = number;
    this.#position = position ?? this.#position;
    return { producer: this.#producer, number, ...part };
  }

  /** False when somebody else reads the source now. */
  async renew(): Promise<boolean> {
    const { outbox, holder } = this.#keys;
    const { link, leaseMs } = this.#options;
    return (await link.run(renewScript, [outbox, holder], [this.#token, leaseMs])) === 1 || this.#isOurs();
  }

  async release(): Promise<void> {
    await this.#options.link.run(releaseScript, [this.#keys.holder], [this.#token]);
  }

  async #write(fields: readonly (string | number)[]): Promise<boolean> {
    const { outbox, holder } = this.#keys;
    const { link, leaseMs } = this.#options;
    return (await link.run(putScript, [outbox, holder], [this.#token, leaseMs, ...fields])) === 1;
  }

  /** A server that went back in time has forgotten our claim; what it has is then of us, or what we found. */
  async #isOurs(): Promise<boolean> {
    const found = await claimed(this.#options, this.#token);
    if (found === undefined) return false;
    const [producer, number] = found;
    if (producer === this.#producer || producer === '') return true;
    if (producer === this.left?.producer && Number(number) <= this.left.number) return true;
    await this.release();
    return false;
  }

  #decoded(text: string): ShardPart {
    try {
      return decodePart(text);
    } catch (error) {
      const message = `what ${this.#options.source} delivered last cannot be read: ${String(error)}`;
      throw new RedisStoreError(problem('EvidenceUnreadable', message, this.#options.link.name), { retryable: false });
    }
  }
}

type Found = readonly [producer: string, number: string, position: string, batch: string];

async function claimed(options: SourceOutboxOptions, token: string): Promise<Found | undefined> {
  const { link, who, leaseMs } = options;
  const { outbox, holder } = outboxKeys(options);
  const found = (await link.run(claimScript, [outbox, holder], [token, leaseMs, who])) as string[];
  return found.length === 0 ? undefined : (found as unknown as Found);
}

function outboxKeys({ shards, source }: SourceOutboxOptions): OutboxKeys {
  const digest = createHash('sha256').update(source).digest('hex').slice(0, 12);
  const prefix = `nanoseg:{${shards.name}/source/${digest}}:`;
  return { outbox: `${prefix}outbox`, holder: `${prefix}holder` };
}
