import { problem } from '../../model/problem.ts';
import type { RedisLink } from './redis-link.ts';
import { script } from './redis-script.ts';
import { RedisStoreError } from './redis-store-error.ts';

/** Into how many parts flows and evidence of one name are divided; each has a stream, a store, and one worker at a time. */
export interface Shards {
  readonly name: string;
  readonly count: number;
}

const defaultShards = 16;
const mostShards = 1_024;

/** What is said first stays: another number would bring the reports of one connection to two shards. KEYS: shards. ARGV: number. */
const openScript = script(`
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return redis.call('GET', KEYS[1])
`);

/** Reads how many there are, or makes it `wanted`. Rejects with RedisStoreError. */
export async function openShards(link: RedisLink, name: string, wanted = defaultShards): Promise<Shards> {
  const stored = await link.run(openScript, [`nanoseg:{${name}}:shards`], [wanted]);
  const count = Number(stored);
  if (Number.isInteger(count) && count > 0 && count <= mostShards) return { name, count };
  const message = `the number of shards of ${name} cannot be ${JSON.stringify(stored)}`;
  throw new RedisStoreError(problem('EvidenceUnreadable', message, link.name), { retryable: false });
}

/** The name of a shard's store. */
export function shardName({ name }: Shards, shard: number): string {
  return `${name}/${shard}`;
}

/** Keys of a shard beside those of its store, in the same slot. */
export interface ShardKeys {
  /** A stream: batches that are not applied yet. */
  readonly intake: string;
  /** With the name of a process after it: how many batches of that one the stream has got. */
  readonly tail: string;
}

export function shardKeys(storeName: string): ShardKeys {
  const prefix = `nanoseg:{${storeName}}:`;
  return { intake: `${prefix}intake`, tail: `${prefix}tail` };
}
