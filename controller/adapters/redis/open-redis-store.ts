import type { Clock } from '../../ports.ts';
import { openRedisLink, type RedisAccess } from './open-redis-link.ts';
import { RedisConnectionStore } from './redis-connection-store.ts';

/** Where evidence is kept and how to get there, as a configuration says it. */
export interface RedisStoreConfig extends RedisAccess {
  readonly retentionMs?: number | undefined;
}

export interface OpenRedisStore {
  readonly config: RedisStoreConfig;
  readonly name: string;
  /** Who writes, for people. */
  readonly who: string;
  readonly clock: Clock;
}

/** Connects, and takes the right to write. Rejects with RedisStoreError. */
export async function openRedisStore({ config, name, who, clock }: OpenRedisStore): Promise<RedisConnectionStore> {
  const { retentionMs } = config;
  const link = await openRedisLink(config);
  try {
    return await RedisConnectionStore.open({ link, name, who, clock, ...(retentionMs && { retentionMs }) });
  } catch (error) {
    link.close();
    throw error;
  }
}
