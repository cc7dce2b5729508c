import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { RedisAddress } from './redis-address.ts';

/** What the servers want to know and to show. */
export interface RedisCredentials {
  readonly user?: string;
  readonly password?: string;
  /** Of the Sentinels, where they want one. */
  readonly sentinelPassword?: string;
  /** PEM: the authority of the servers' certificates. @default those that Node trusts */
  readonly ca?: string;
}

export type RedisClient = Redis | Cluster;

const connectMs = 5_000;
/** A request fails after so many connections in vain; who asks tries again later. */
const retries = 2;

/** Connects with its first request, and again whenever the connection breaks. */
export function redisClient(
  address: RedisAddress,
  { user, password, sentinelPassword, ca }: RedisCredentials,
): RedisClient {
  const { kind, tls, hosts, master, db } = address;
  const username = user ?? address.user;
  const secured = tls ? { tls: ca === undefined ? {} : { ca } } : {};
  const common = {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...secured,
    connectTimeout: connectMs,
    maxRetriesPerRequest: retries,
    connectionName: 'nanoseg',
    // after a failover it is another server that takes writes
    reconnectOnError: ({ message }) => message.startsWith('READONLY'),
  } satisfies RedisOptions;
  const retryStrategy = (times: number) => Math.min(50 * 2 ** times, 2_000);
  switch (kind) {
    case 'standalone':
      return new Redis({ ...common, ...hosts[0], db, retryStrategy, lazyConnect: true });
    case 'sentinel':
      return new Redis({
        ...common,
        sentinels: [...hosts],
        name: master,
        db,
        retryStrategy,
        lazyConnect: true,
        ...(tls && { enableTLSForSentinelMode: true, sentinelTLS: secured.tls ?? {} }),
        ...(sentinelPassword !== undefined && { sentinelPassword }),
        sentinelRetryStrategy: (times) => (times > retries ? null : 100 * times),
      });
    case 'cluster':
      return new Cluster([...hosts], {
        redisOptions: common,
        lazyConnect: true,
        // certificates are for names, and the names of nodes are what the cluster announces
        ...(tls && { dnsLookup: (host, done) => done(null, host) }),
        clusterRetryStrategy: retryStrategy,
      });
  }
}
