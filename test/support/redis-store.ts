import {
  RedisConnectionStore,
  type RedisStoreOptions,
} from '../../controller/adapters/redis/redis-connection-store.ts';
import type { RedisLinkOptions } from '../../controller/adapters/redis/redis-link.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import { openLink } from './redis-link.ts';

type Wanted = Partial<RedisStoreOptions> & Omit<RedisLinkOptions, 'address'>;

/** A store at that address, as a controller opens it. */
export async function openStore(url: string, wanted: Wanted = {}): Promise<RedisConnectionStore> {
  const { user, password, ca, answerMs, sentinelPassword, credentialsAgain, ...options } = wanted;
  const access = Object.entries({ user, password, ca, answerMs, sentinelPassword, credentialsAgain }).filter(
    ([, value]) => value !== undefined,
  );
  const link = await openLink(url, Object.fromEntries(access));
  try {
    return await RedisConnectionStore.open({ link, name: 'test', who: 'a test', clock: systemClock, ...options });
  } catch (error) {
    link.close();
    throw error;
  }
}
