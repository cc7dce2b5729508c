import { readFile } from 'node:fs/promises';
import { problem } from '../../model/problem.ts';
import { redisAddress } from './redis-address.ts';
import type { RedisCredentials } from './redis-client.ts';
import { RedisLink } from './redis-link.ts';
import { RedisStoreError } from './redis-store-error.ts';

/** Where a server is and how to get there, as a configuration says it. */
export interface RedisAccess {
  readonly url: string;
  /** File in PEM: the authority of the servers' certificates. */
  readonly ca?: string | undefined;
  readonly user?: string | undefined;
  readonly passwordFile?: string | undefined;
  readonly password?: string | undefined;
  readonly sentinelPassword?: string | undefined;
}

/** Connects. Files are read at this moment, and again when a server refuses what was in them. Rejects with RedisStoreError. */
export async function openRedisLink(access: RedisAccess): Promise<RedisLink> {
  const address = redisAddress(access.url);
  if ('code' in address) throw new RedisStoreError(address, { retryable: false });
  const credentialsAgain = () => credentialsOf(access);
  return RedisLink.open({ address, ...(await credentialsAgain()), credentialsAgain });
}

async function credentialsOf({ user, sentinelPassword, ...access }: RedisAccess): Promise<RedisCredentials> {
  const { passwordFile } = access;
  const ca = access.ca === undefined ? undefined : await fileText(access.ca);
  const password = passwordFile === undefined ? access.password : (await fileText(passwordFile)).trim();
  return {
    ...(user !== undefined && { user }),
    ...(password !== undefined && { password }),
    ...(sentinelPassword !== undefined && { sentinelPassword }),
    ...(ca !== undefined && { ca }),
  };
}

async function fileText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const message = `the file cannot be read: ${(error as Error).message}`;
    throw new RedisStoreError(problem('InputNotFound', message, path), { retryable: false, cause: error });
  }
}
