import type { Clock, ConnectionStore } from '../../ports.ts';
import { RedisConnectionStore } from './redis-connection-store.ts';
import type { RedisLink } from './redis-link.ts';
import { ShardIntake } from './shard-intake.ts';
import { type Shards, shardName } from './shards.ts';

export interface OpenShard {
  /** Of all shards of this process; it stays open. */
  readonly link: RedisLink;
  readonly shards: Shards;
  readonly shard: number;
  /** Who works on it, for people. */
  readonly who: string;
  readonly clock: Clock;
  /** @default 15000 */
  readonly leaseMs?: number;
  readonly retentionMs?: number;
}

/** A shard that is ours: what was appended to it, and the evidence that it is saved in. */
export interface HeldShard {
  readonly store: ConnectionStore;
  /** `begin` comes before its first batch. */
  readonly intake: ShardIntake;
}

/** Undefined: another worker has it. Rejects with RedisStoreError. */
export async function openShard({
  link,
  shards,
  shard,
  who,
  clock,
  leaseMs,
  retentionMs,
}: OpenShard): Promise<HeldShard | undefined> {
  const name = shardName(shards, shard);
  const intake = new ShardIntake({ link, storeName: name, clock });
  const store = await RedisConnectionStore.openFree({
    link,
    name,
    who,
    clock,
    intake,
    sharesLink: true,
    ...(leaseMs !== undefined && { leaseMs }),
    ...(retentionMs && { retentionMs }),
  });
  return store && { store, intake };
}
