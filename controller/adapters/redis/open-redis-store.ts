import { readFile } from 'node:fs/promises';
import { problem } from '../../model/problem.ts';
import type { Clock } from '../../ports.ts';
import { redisAddress } from './redis-address.ts';
import { RedisConnectionStore } from './redis-connection-store.ts';
import { RedisLink } from './redis-link.ts';
import { RedisStoreError } from './redis-store-error.ts';

/** Where evidence is kept and how to get there, as a configuration says it. */
export interface RedisStoreConfig {
  readonly url: string;
  /** File in PEM: the authority of the servers' certificates. */
  readonly ca?: string | undefined;
  readonly user?: string | undefined;
  readonly passwordFile?: string | undefined;
  readonly password?: string | undefined;
  readonly sentinelPassword?: string | undefined;
  readonly retentionMs?: number | undefined;
}

export interface OpenRedisStore {
  readonly config: RedisStoreConfig;
  readonly name: string;
  /** Who writes, for people. */
  readonly who: string;
  readonly clock: Clock;
}

/** Connects, and takes the right to write. Files are read at this moment. Rejects with RedisStoreError. */
export async function openRedisStore({ config, name, who, clock }: OpenRedisStore): Promise<RedisConnectionStore> {
  const address = redisAddress(config.url);
  if ('code' in address) throw new RedisStoreError(address, { retryable: false });
  const { user, sentinelPassword, retentionMs } = config;
  const ca = config.ca === undefined ? undefined : await fileText(config.ca);
  const password = config.passwordFile === undefined ? config.password : (await fileText(config.passwordFile)).trim();
  const link = await RedisLink.open({
    address,
    ...(user !== undefined && { user }),
    ...(password !== undefined && { password }),
    ...(sentinelPassword !== undefined && { sentinelPassword }),
    ...(ca !== undefined && { ca }),
  });
  try {
    return await RedisConnectionStore.open({ link, name, who, clock, ...(retentionMs && { retentionMs }) });
  } catch (error) {
    link.close();
    throw error;
  }
}

async function fileText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const message = `the file cannot be read: ${(error as Error).message}`;
    throw new RedisStoreError(problem('InputNotFound', message, path), { retryable: false, cause: error });
  }
}
