import { redisAddress } from '../../controller/adapters/redis/redis-address.ts';
import { RedisLink } from '../../controller/adapters/redis/redis-link.ts';

/** A connection to a server that lets everybody in. */
export function openLink(url: string): Promise<RedisLink> {
  const address = redisAddress(url);
  if ('code' in address) throw new Error(address.message);
  return RedisLink.open({ address });
}
