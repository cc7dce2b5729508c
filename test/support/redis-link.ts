import { redisAddress } from '../../controller/adapters/redis/redis-address.ts';
import { RedisLink, type RedisLinkOptions } from '../../controller/adapters/redis/redis-link.ts';

/** A connection to a server that lets everybody in, unless `access` says more. */
export function openLink(url: string, access: Omit<RedisLinkOptions, 'address'> = {}): Promise<RedisLink> {
  const address = redisAddress(url);
  if ('code' in address) throw new Error(address.message);
  return RedisLink.open({ address, ...access });
}
